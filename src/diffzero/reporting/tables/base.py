"""Shared steps of all tables: one row per cell with its interval, n and calls, including cells without results.

Seeds redraw the noise, not the images. The seeds of an item are therefore averaged first, n counts items, and the interval is that of the
effective number of decisions. Pooling the seeds would count one image several times; treating their mean as one decision would ignore
the precision that further seeds add.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.typing import NAType

from diffzero.analysis.statistics import (
    clustered_wilson_interval,
    proportion_difference_interval,
    wilson_interval,
)

PAPER_IMAGES = 4096  # test images per data set in the paper
COST_SUMS = ("calls", "seconds", "gpu_hours")
INTERVAL_NOTE = "Accuracy in % with its Wilson 95 % interval in brackets; n is the number of"
DIFFERENCE_NOTE = (
    "Differs from paper: yes where the 95 % interval of the difference to the paper's accuracy does not contain 0."
)
NO_FULL_SCORES_NOTE = "This run has no full scores: add a model and a data set to `full_scoring`."
TestSizes = Mapping[str, int | None]
"""Number of images in the whole test set by data set; None where it is unknown."""


def require_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise ValueError if the frame lacks a column."""
    absent = [name for name in columns if name not in frame]
    if absent:
        raise ValueError(
            f"{what}: found columns {list(frame.columns)}, expected also {absent}; delete the files and re-run the same "
            "command, which writes them with this version."
        )


def accuracy_interval(group: pd.DataFrame) -> tuple[float, float, float, int]:
    """Return (accuracy, low, high, n) of the predictions of one cell.

    The interval is Wilson's (95 %); with several seeds it is at the effective number of decisions.
    """
    share = group.groupby("item")["correct"].mean()
    if len(share) == len(group):
        return float(share.mean()), *wilson_interval(float(share.sum()), len(share)), len(share)
    return float(share.mean()), *clustered_wilson_interval(group["correct"], group["item"])[1:], len(share)


def summarise_cells(predictions: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Summarise predictions for each combination of the keys, in order of appearance.

    Returns
    -------
    The keys, accuracy, low, high (float64, Wilson 95 %), n (int64, items), calls (float64, mean per item; nan for a baseline) and
    reached_max_scores (float64, share of items with several classes left after max_scores draws).

    Raises
    ------
    ValueError
        If a column is absent, or an item occurs twice for one seed.
    """
    require_columns(predictions, [*keys, "item", "correct", "calls", "reached_max_scores"], "predictions")
    identity = [*keys, "item", *(["seed"] if "seed" in predictions else [])]
    repeated = predictions.loc[predictions.duplicated(identity), identity]
    if len(repeated):
        raise ValueError(
            f"predictions: found {repeated.iloc[0].to_dict()} more than once ({len(repeated)} rows too many), expected each "
            "item once per seed; read each predictions file once."
        )
    rows = [
        (*key, *accuracy_interval(group), group["calls"].mean(), group["reached_max_scores"].mean())
        for key, group in predictions.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "accuracy", "low", "high", "n", "calls", "reached_max_scores"])


def fill_missing_cells(cells: pd.DataFrame, levels: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the cells in the order of the product of the levels; a cell without results has n = 0 and nan elsewhere."""
    grid = pd.MultiIndex.from_product(list(levels.values()), names=list(levels)).to_frame(index=False)
    return grid.merge(cells, how="left", on=list(levels)).fillna({"n": 0}).astype({"n": "int64"})


def count_paper_images(dataset: str, test_sizes: TestSizes | None) -> int:
    """Return the number of images behind the paper's accuracy: PAPER_IMAGES, or the whole test set where that is smaller."""
    return min(PAPER_IMAGES, (test_sizes or {}).get(dataset) or PAPER_IMAGES)


def differs_from_paper(accuracy: float, n: int, paper: float, paper_n: int = PAPER_IMAGES) -> bool | NAType:
    """Return whether the 95 % interval of the difference to the paper's accuracy excludes 0; NA where either is missing."""
    if not n or np.isnan(paper):
        return pd.NA
    low, high = proportion_difference_interval(accuracy * n, n, paper * paper_n, paper_n)
    return not low <= 0 <= high


def list_requested(columns: list[str], requested: pd.DataFrame | None, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct values of the columns: those that the run requests first, then others that have predictions."""
    parts = [part[columns] for part in (requested, predictions) if part is not None]
    return pd.concat(parts, ignore_index=True).drop_duplicates().reset_index(drop=True)


def sum_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Sum the costs over shards: columns model, dataset and COST_SUMS (float64); the sum of unknown values is nan, not 0."""
    require_columns(costs, ["model", "dataset", *COST_SUMS], "costs")
    return costs.groupby(["model", "dataset"], as_index=False)[list(COST_SUMS)].sum(min_count=1)


def summarise_correct(correct: NDArray[np.bool_]) -> tuple[float, float, float, int]:
    """Return (accuracy, low, high, n) of images [image], with Wilson's 95 % interval."""
    return float(correct.mean()), *wilson_interval(int(correct.sum()), len(correct)), len(correct)
