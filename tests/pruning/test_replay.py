"""Replay gives the predictions and calls of a live run from its recorded scores."""

import numpy as np
import pandas as pd
import pytest

from diffzero.data.prompts import class_prompts, classification_items
from diffzero.pruning.policies import Full, TTest
from diffzero.pruning.replay import NotCoveredError, replay_items, weight_runs
from stages_of import fixed_stages
from toy import POLICIES, Toy, classification, item_table, score, weight


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return Toy(tmp_path_factory.mktemp("toy"))


def assert_replays(toy, problem, recording, policy) -> pd.DataFrame:
    """Assert that a replay of `policy` on the scores of `recording` equals a live run of `policy`; return its table."""
    frame, live = score(toy, problem, recording)[0].to_frame(), score(toy, problem, policy)[0].outcomes
    table = replay_items(item_table(problem), frame.sample(frac=1, random_state=2), policy, weight)
    for row in table.itertuples():
        expected = live[row.item]
        found = (row.prediction, row.draws, row.calls, row.reached_max_scores, row.exact_tie)
        assert found == (
            expected.winner,
            expected.draws,
            expected.calls,
            expected.reached_max_scores,
            expected.exact_tie,
        )
        assert row.correct == (row.prediction == row.label)
    return table


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.slug)
@pytest.mark.parametrize("unshared", [False, True], ids=["shared", "unshared"])
def test_replay_is_the_live_run(toy, policy, unshared):
    table = assert_replays(toy, classification(12, 5, unshared), policy, policy)
    assert table["correct"].sum() > 3  # labels and predictions use the same class numbers


@pytest.mark.parametrize(
    "policy",
    [
        *POLICIES[:2],
        TTest(min_scores=5, max_scores=11, cutoff_pval=0.2),
        Full(max_scores=3),
        fixed_stages((4, 12), (2, 1)),
    ],
    ids=lambda policy: policy.slug,
)
def test_unpruned_scores_replay_any_policy(toy, policy):
    assert_replays(toy, classification(12), Full(max_scores=12), policy)


@pytest.mark.parametrize(
    "policy",
    [TTest(min_scores=3, max_scores=7, cutoff_pval=0.05), Full(max_scores=3), fixed_stages((2,), (1,))],
    ids=lambda policy: policy.slug,
)
def test_pruned_scores_replay_a_policy_that_needs_no_more(toy, policy):
    assert_replays(toy, classification(12), TTest(min_scores=3, max_scores=12, cutoff_pval=0.05), policy)


@pytest.mark.parametrize("lengths", [[], [1], [3, 1, 4, 4], [1] * 9], ids=str)
def test_weights_evaluated_once_per_run_of_equal_t_are_those_of_every_score(lengths):
    t = np.repeat(np.random.default_rng(0).random(len(lengths)), lengths)
    evaluated = []
    np.testing.assert_array_equal(weight_runs(lambda t: evaluated.append(len(t)) or weight(t), t), weight(t))
    assert evaluated == [len(lengths)]


def test_a_missing_score_is_named_in_the_error(toy):
    problem, recording = classification(6), TTest(min_scores=3, max_scores=12, cutoff_pval=0.05)
    frame = score(toy, problem, recording)[0].to_frame()
    first = next(item for item in problem.items if len(frame[frame["image"] == problem.images[item.image]]) < 60)
    taken = frame[frame["image"] == problem.images[first.image]].pivot(index="draw", columns="prompt", values="score")
    draw, column = np.argwhere(taken.reindex(range(12)).isna().to_numpy())[0]
    with pytest.raises(NotCoveredError, match=f"item {first.name}: .* draw {draw} of class {column}, .*never scored"):
        replay_items(item_table(problem), frame, Full(max_scores=12), weight)


def test_an_image_without_scores_is_named_in_the_error(toy):
    problem = classification(4)
    frame = score(toy, problem, Full(max_scores=3))[0].to_frame()
    with pytest.raises(NotCoveredError, match="item of picture 2"):
        replay_items(item_table(problem), frame[frame["image"] != "picture 2"], Full(max_scores=3), weight)


def test_the_prediction_of_classes_that_share_a_prompt_is_the_lowest_label(toy):
    names = ["bird", "missile", "cat", "missile", "dog", "bird"]
    prompts = class_prompts("{}", names)
    problem = classification(8, len(prompts["prompts"]))
    table = pd.DataFrame({"image": problem.images, "label": [0, 1, 2, 4, 5, 3, 2, 4]})
    frame = score(toy, problem, Full(max_scores=12))[0].to_frame()
    found = replay_items(classification_items(table, prompts), frame, Full(max_scores=12), weight)
    winners = [score(toy, problem, Full(max_scores=12))[0].outcomes[item.name].winner for item in problem.items]
    assert list(found["prediction"]) == [names.index(prompts["prompts"][winner]) for winner in winners]
    assert not set(found["prediction"]) & {3, 5} and set(found["prediction"]) & {0, 1}
    assert (found["calls"] == 4 * 12).all()  # four prompts for six classes


def test_other_columns_of_the_items_are_kept(toy):
    problem = classification(3)
    items = item_table(problem).assign(held_out=[True, False, True])
    found = replay_items(items, score(toy, problem, Full(max_scores=3))[0].to_frame(), Full(max_scores=3), weight)
    assert list(found["held_out"]) == [True, False, True] and list(found["item"]) == list(items["item"])
