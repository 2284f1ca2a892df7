"""Replays of other policies and weightings on the same full scores: Figure 2, the cost frontier and the sensitivity grid."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from diffzero.analysis.statistics import wilson_interval
from diffzero.pruning.policies import CUTOFFS, POLICIES, Full, Policy, TTest
from diffzero.pruning.replay import replay_items
from diffzero.typing import WeightFn

CURVE_POINTS = 12  # per curve of Figure 2, evenly spaced on a log axis
CURVES = ("unshared", "shared", "shared + pruning")
RESULT_COLUMNS = ("calls_per_class", "accuracy", "low", "high", "n", "reached_max_scores")
MIN_SCORES = (5, 10, 20)
DECAYS = (0.0, 1.0, 3.0, 5.0, 7.0, 9.0, 12.0)


def draw_counts(draws: int) -> list[int]:
    """Return numbers of draws from 1 to `draws`, about evenly spaced on a log axis."""
    return sorted({int(round(n)) for n in np.geomspace(1, draws, CURVE_POINTS)})


def efficiency_policies(draws: int, pruning: TTest) -> Iterator[tuple[str, Policy]]:
    """Yield the curve (one of CURVES) and the policy of every point of Figure 2."""
    for n in draw_counts(draws):
        yield "unshared", Full(max_scores=n)
        yield "shared", Full(max_scores=n)
        if n >= pruning.min_scores:
            yield "shared + pruning", pruning.model_copy(update={"max_scores": n})


def efficiency_curves(
    items: pd.DataFrame, shared: pd.DataFrame, unshared: pd.DataFrame, pruning: TTest, weight: WeightFn
) -> pd.DataFrame:
    """Compute the curves of Figure 2: the savings from shared noise and from pruning.

    Parameters
    ----------
    items
        The items of the data set, as the workflow stores them.
    shared, unshared
        Full scores of the same images, with one draw per image or one per image and class.
    pruning
        The run's t-test; each point of its curve has another `max_scores`.

    Returns
    -------
    One row per point. Columns curve (str, one of CURVES), calls_per_class, accuracy, low, high (float64, Wilson 95 %) and
    n (int64, images).
    """
    items = select_scored(items, shared)
    rows = []
    for curve, policy in efficiency_policies(int(shared["draw"].max()) + 1, pruning):
        calls, accuracy, low, high, n, _ = replay_result(
            items, unshared if curve == "unshared" else shared, policy, weight
        )
        rows.append((curve, calls, accuracy, low, high, n))
    return pd.DataFrame(rows, columns=["curve", *RESULT_COLUMNS[:5]])


def replay_result(
    items: pd.DataFrame, scores: pd.DataFrame, policy: Policy, weight: WeightFn
) -> tuple[float, float, float, float, int, float]:
    """Replay one policy under one weighting and return the values of RESULT_COLUMNS.

    These are the mean calls per class and image, the accuracy with its Wilson 95 % interval, the number of items, and the share of
    items with several classes left after max_scores draws.
    """
    table = replay_items(items, scores, policy, weight)
    calls = float((table["calls"] / items["candidates"].map(len).to_numpy()).mean())
    correct, n = int(table["correct"].sum()), len(table)
    low, high = wilson_interval(correct, n)
    return calls, correct / n, low, high, n, float(table["reached_max_scores"].mean())


def select_scored(items: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the items whose images were scored."""
    return items[items["image"].isin(set(scores["image"]))]


def replay_frontier(
    items: pd.DataFrame, scores: pd.DataFrame, pruning: TTest, weightings: Mapping[str, WeightFn]
) -> pd.DataFrame:
    """Replay every policy under every weighting on the same scores.

    Returns
    -------
    One row per weighting and policy. Columns weighting, family, policy (str), RESULT_COLUMNS as in `replay_result`, and efficient
    (bool): no other point reaches at least this accuracy with fewer calls.

    Notes
    -----
    The best of many noisy points is overestimated: an interval is valid only for a point that was chosen in advance.
    """
    items = select_scored(items, scores)
    draws, classes = int(scores["draw"].max()) + 1, int(items["candidates"].map(len).max())
    counts = [n for n in draw_counts(draws) if n >= 2]
    rows = [
        (name, family, policy.slug, *replay_result(items, scores, policy, weight))
        for name, weight in weightings.items()
        for kind in POLICIES.values()
        for family, policy in kind.frontier(counts, classes, pruning.min_scores)
    ]
    table = pd.DataFrame(rows, columns=["weighting", "family", "policy", *RESULT_COLUMNS])
    accuracy = table.sort_values(["calls_per_class", "accuracy"], ascending=[True, False])["accuracy"]
    best_before = accuracy.cummax().shift(fill_value=-1.0)
    return table.assign(efficient=(accuracy > best_before).reindex(table.index))


def replay_sensitivity(
    items: pd.DataFrame, scores: pd.DataFrame, pruning: TTest, decay: float, heuristic: Callable[[float], WeightFn]
) -> pd.DataFrame:
    """Replay the t-test on a grid of its three parameters, and the run's own t-test under several decays of the weighting.

    Parameters
    ----------
    decay
        The decay of the heuristic weighting for the grid.
    heuristic
        Returns the weighting exp(-decay t) of a decay.

    Returns
    -------
    One row per setting. Columns cutoff_pval (float64), min_scores, max_scores (int64), decay (float64) and RESULT_COLUMNS as in
    `replay_result`. max_scores goes up to the number of draws that were scored.
    """
    items, draws = select_scored(items, scores), int(scores["draw"].max()) + 1
    max_scores = sorted({max(2, draws // k) for k in (8, 4, 2, 1)})
    min_scores = sorted({min(n, draws) for n in (*MIN_SCORES, pruning.min_scores)})
    grid = [
        (TTest(min_scores=m, max_scores=n, cutoff_pval=p), decay)
        for p in CUTOFFS
        for m in min_scores
        for n in max_scores
        if m <= n
    ]
    shortened = {"min_scores": min(pruning.min_scores, draws), "max_scores": min(pruning.max_scores, draws)}
    own = pruning.model_copy(update=shortened)
    grid += [(own, other) for other in DECAYS]
    rows = [
        (policy.cutoff_pval, policy.min_scores, policy.max_scores, other)
        + replay_result(items, scores, policy, heuristic(other))
        for policy, other in grid
    ]
    columns = ["cutoff_pval", "min_scores", "max_scores", "decay", *RESULT_COLUMNS]
    return pd.DataFrame(rows, columns=columns).drop_duplicates()
