"""Figure 2: what shared noise and pruning save, replayed from unpruned scores."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis.statistics import wilson
from diffzero.pruning.policies import Full, Policy, TTest
from diffzero.pruning.replay import replay_items

POINTS = 12  # of each curve, at draws spaced evenly on the log axis


def draw_counts(draws: int) -> list[int]:
    """Numbers of draws from 1 to `draws`, about evenly spaced on a log axis."""
    return sorted({int(round(n)) for n in np.geomspace(1, draws, POINTS)})


def variants(draws: int, pruning: TTest) -> Iterator[tuple[str, Policy]]:
    """Every point of the figure: which noise, and the policy to replay."""
    for n in draw_counts(draws):
        yield "unshared", Full(max_scores=n)
        yield "shared", Full(max_scores=n)
        if n >= pruning.min_scores:
            yield "shared + pruning", pruning.model_copy(update={"max_scores": n})


def curves(
    items: pd.DataFrame,
    shared: pd.DataFrame,
    unshared: pd.DataFrame,
    pruning: TTest,
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> pd.DataFrame:
    """Columns variant, calls_per_class, accuracy, low, high (Wilson 95 %), n.

    `shared` and `unshared` are unpruned scores of the same images; `pruning` is the run's t-test, cut off at ever more draws.
    """
    items = items[items["image"].isin(set(shared["image"]))]
    rows = []
    for variant, policy in variants(int(shared["draw"].max()) + 1, pruning):
        table = replay_items(items, unshared if variant == "unshared" else shared, policy, weight)
        calls = table["calls"] / items["candidates"].map(len).to_numpy()
        low, high = wilson(int(table["correct"].sum()), len(table))
        rows.append((variant, calls.mean(), table["correct"].mean(), low, high, len(table)))
    return pd.DataFrame(rows, columns=["variant", "calls_per_class", "accuracy", "low", "high", "n"])
