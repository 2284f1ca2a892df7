"""What other policies and weightings would have cost and given: replays of the same unpruned scores, without a call."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis.efficiency import draw_counts
from diffzero.analysis.statistics import wilson
from diffzero.pruning.policies import CUTOFFS, POLICIES, Policy, TTest
from diffzero.pruning.replay import replay_items

Weight = Callable[[NDArray[np.float64]], NDArray[np.float64]]
COLUMNS = ("calls_per_class", "accuracy", "low", "high", "n", "undecided")
MIN_SCORES = (5, 10, 20)
DECAYS = (0.0, 1.0, 3.0, 5.0, 7.0, 9.0, 12.0)


def replayed(items: pd.DataFrame, scores: pd.DataFrame, policy: Policy, weight: Weight) -> tuple[float, ...]:
    """COLUMNS of one policy under one weighting; calls_per_class is the mean over images."""
    table = replay_items(items, scores, policy, weight)
    calls = float((table["calls"] / items["candidates"].map(len).to_numpy()).mean())
    right, n = int(table["correct"].sum()), len(table)
    return calls, right / n, *wilson(right, n), n, float(table["undecided"].mean())


def scored(items: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The items whose images were scored."""
    return items[items["image"].isin(set(scores["image"]))]


def frontier(
    items: pd.DataFrame, scores: pd.DataFrame, pruning: TTest, weightings: Mapping[str, Weight]
) -> pd.DataFrame:
    """weighting, family, policy, COLUMNS, efficient: every policy under every weighting, from the same scores.

    efficient: no other point has at least its accuracy for fewer calls. The best of many noisy points looks better
    than it is, so its interval is to be read as that of one point chosen beforehand.
    """
    items = scored(items, scores)
    draws, classes = int(scores["draw"].max()) + 1, int(items["candidates"].map(len).max())
    counts = [n for n in draw_counts(draws) if n >= 2]
    rows = [
        (name, family, policy.slug, *replayed(items, scores, policy, weight))
        for name, weight in weightings.items()
        for kind in POLICIES.values()
        for family, policy in kind.frontier(counts, classes, pruning.min_scores)
    ]
    table = pd.DataFrame(rows, columns=["weighting", "family", "policy", *COLUMNS])
    order = table.sort_values(["calls_per_class", "accuracy"], ascending=[True, False])["accuracy"]
    best_before = order.cummax().shift(fill_value=-1.0)
    return table.assign(efficient=(order > best_before).reindex(table.index))


def sensitivity(
    items: pd.DataFrame, scores: pd.DataFrame, pruning: TTest, decay: float, heuristic: Callable[[float], Weight]
) -> pd.DataFrame:
    """cutoff_pval, min_scores, max_scores, decay, COLUMNS on a grid of the three parameters, and of the decay at the run's own.

    `heuristic(decay)` is the weighting exp(-decay t). max_scores ends at the draws that were taken.
    """
    items, draws = scored(items, scores), int(scores["draw"].max()) + 1
    largest = sorted({max(2, draws // k) for k in (8, 4, 2, 1)})
    least = sorted({min(n, draws) for n in (*MIN_SCORES, pruning.min_scores)})
    grid = [
        (TTest(min_scores=m, max_scores=n, cutoff_pval=p), decay)
        for p in CUTOFFS
        for m in least
        for n in largest
        if m <= n
    ]
    shortened = {"min_scores": min(pruning.min_scores, draws), "max_scores": min(pruning.max_scores, draws)}
    own = pruning.model_copy(update=shortened)
    grid += [(own, other) for other in DECAYS]
    rows = [
        (policy.cutoff_pval, policy.min_scores, policy.max_scores, other)
        + replayed(items, scores, policy, heuristic(other))
        for policy, other in grid
    ]
    return pd.DataFrame(rows, columns=["cutoff_pval", "min_scores", "max_scores", "decay", *COLUMNS]).drop_duplicates()
