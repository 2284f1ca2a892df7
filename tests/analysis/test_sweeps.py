"""Replays of full scores: score arrays, frontier, sensitivity, Figure 2 and the profile over timesteps."""

import numpy as np
import pandas as pd
import pytest

from diffzero.analysis import sweeps
from diffzero.analysis.score_array import UNKNOWN_LABEL, build_score_array
from diffzero.analysis.timesteps import timestep_profile
from diffzero.pruning.policies import Full, Policy, TTest
from diffzero.pruning.replay import NotCoveredError, replay_items
from stages_of import fixed_stages

CLASSES, DRAWS, IMAGES = 4, 24, 6


def stored(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return items and full scores as the workflow stores them; the true class is better only at t > 0.5."""
    rng = np.random.default_rng(seed)
    label, rows = rng.integers(0, CLASSES, IMAGES), []
    for image in range(IMAGES):
        for draw in range(DRAWS):
            t, common = rng.random(), rng.normal(20, 3)
            for k in range(CLASSES):
                lead = 4 * (t > 0.5) * (k == label[image])
                rows.append((f"i{image}", draw, k, t, common + rng.normal() - lead))
    scores = pd.DataFrame(rows, columns=["image", "draw", "prompt", "t", "score"]).astype({"score": "float32"})
    names = [f"i{k}" for k in range(IMAGES)]
    each = [list(range(CLASSES))] * IMAGES
    items = {"item": names, "task": "classify", "image": names, "label": label, "candidates": each, "classes": each}
    return pd.DataFrame(items), scores


def flat(t: np.ndarray) -> np.ndarray:
    return np.ones_like(t)


def test_score_array_predicts_as_the_replay_without_pruning() -> None:
    items, scores = stored()
    shuffled = scores.sample(frac=1, random_state=0)
    data, late = build_score_array(items, shuffled), lambda t: np.exp(-7 * t)
    for weight in (flat, late):
        replayed = replay_items(items, scores, Full(max_scores=DRAWS), weight)
        assert data.correct_under(weight).tolist() == replayed["correct"].tolist()
    assert data.scores.shape == (IMAGES, DRAWS, CLASSES) and data.take(np.array([2])).images == ["i2"]


def test_score_array_refuses_incomplete_scores_and_marks_labels_without_a_prompt() -> None:
    items, scores = stored()
    with pytest.raises(NotCoveredError, match="i3 lacks draw 5 of class 2"):
        build_score_array(items, scores[~((scores["image"] == "i3") & (scores["draw"] == 5) & (scores["prompt"] == 2))])
    with pytest.raises(NotCoveredError, match="found no image"):
        build_score_array(items, scores.assign(image="other"))
    shared = items.assign(classes=[[0, 1, 2, 9]] * IMAGES, label=[3] * IMAGES)
    assert (build_score_array(shared, scores).label == UNKNOWN_LABEL).all()


def test_no_point_beats_an_efficient_one_with_fewer_calls() -> None:
    items, scores = stored()
    table = sweeps.replay_frontier(
        items,
        scores,
        TTest(min_scores=5, max_scores=2000, cutoff_pval=0.002),
        {"flat": flat, "early": lambda t: np.exp(-7 * t)},
    )
    assert set(table["family"]) == {"no pruning", "stages", *(f"t-test p < {p:g}" for p in sweeps.CUTOFFS)}
    for point in table[table["efficient"]].itertuples():
        cheaper = table[(table["calls_per_class"] <= point.calls_per_class) & (table.index != point.Index)]
        assert not (cheaper["accuracy"] > point.accuracy).any()
    for point in table[~table["efficient"]].itertuples():
        better = table[(table["calls_per_class"] <= point.calls_per_class) & (table["accuracy"] >= point.accuracy)]
        assert len(better) > 1
    full = table[(table["family"] == "no pruning") & (table["weighting"] == "flat")]
    assert full["calls_per_class"].max() == DRAWS


def test_sensitivity_contains_the_runs_policy_and_a_higher_cutoff_costs_less() -> None:
    items, scores = stored()
    own = TTest(min_scores=5, max_scores=2000, cutoff_pval=0.002)
    table = sweeps.replay_sensitivity(items, scores, own, 7.0, lambda rate: lambda t: np.exp(-rate * t))
    same = table[(table["min_scores"] == 5) & (table["max_scores"] == DRAWS) & (table["decay"] == 7.0)]
    assert same.sort_values("cutoff_pval")["calls_per_class"].is_monotonic_decreasing
    row = same[same["cutoff_pval"] == 0.002].iloc[0]
    replayed = replay_items(
        items, scores, TTest(min_scores=5, max_scores=DRAWS, cutoff_pval=0.002), lambda t: np.exp(-7 * t)
    )
    assert row["accuracy"] == replayed["correct"].mean()
    assert row["calls_per_class"] == pytest.approx(replayed["calls"].mean() / CLASSES)
    assert set(table["decay"]) == set(sweeps.DECAYS) and not table.duplicated().any()


def test_a_run_without_t_test_is_swept_with_the_same_numbers() -> None:
    assert TTest.of_run(Full(max_scores=50)) == TTest(min_scores=20, max_scores=50, cutoff_pval=0.002)


@pytest.mark.parametrize(
    "policy",
    [TTest(min_scores=5), Full(), fixed_stages((5, 20), (2, 1))],
)
def test_efficiency_curves_show_the_savings_from_pruning_for_any_policy(policy: Policy) -> None:
    items, scores = stored()
    table = sweeps.efficiency_curves(items, scores, scores, TTest.of_run(policy), flat)
    last = table.groupby("curve")["calls_per_class"].max()
    assert last["shared + pruning"] < last["shared"] == last["unshared"] == DRAWS


def test_the_profile_finds_the_timesteps_that_decide() -> None:
    items, scores = stored()
    table = timestep_profile(build_score_array(items, scores), flat)
    early, late = table[table["t"] < 0.5], table[table["t"] > 0.5]
    assert late["weighted"].min() > early["weighted"].abs().max()
    assert (late["weighted_low"] > 0).sum() >= 4 and (early["weighted_low"] < 0).sum() >= 4
    assert (late["rival"] > late["true"]).all()
