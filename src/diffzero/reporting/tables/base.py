"""What every table is made of: one row a cell, with its interval, n and calls, missing cells included.

Seeds redraw the noise, not the images. So an item's seeds are averaged first, n counts items, and the interval is that of as many
decisions as they are worth: pooled, the same image would be several independent ones; as one decision each, seeds would narrow nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.statistics import clustered_wilson, proportion_difference, wilson

PAPER_EXAMPLES = 4096  # test images a data set in the paper
SPENT = ("calls", "seconds", "gpu_hours")
INTERVAL_NOTE = "Accuracy in % with its Wilson 95 % interval in brackets; n is the number of"


def require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Nothing; raises ValueError where the frame lacks a column."""
    absent = [name for name in columns if name not in frame]
    if absent:
        raise ValueError(
            f"{what}: found columns {list(frame.columns)}, expected also {absent}; write the files again with this "
            "version (delete them, then repeat the command)."
        )


def share_of(group: pd.DataFrame) -> tuple[float, float, float, int]:
    """accuracy, low, high, n of one cell's predictions: Wilson 95 %, with several seeds at the effective number of decisions."""
    share = group.groupby("item")["correct"].mean()
    if len(share) == len(group):
        return float(share.mean()), *wilson(float(share.sum()), len(share)), len(share)
    return float(share.mean()), *clustered_wilson(group["correct"], group["item"])[1:], len(share)


def summaries(predictions: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """accuracy, low, high, n, calls (mean), undecided (share) for each value of the keys, in order of appearance."""
    require(predictions, [*keys, "item", "correct", "calls", "undecided"], "predictions")
    identity = [*keys, "item", *(["seed"] if "seed" in predictions else [])]
    twice = predictions.loc[predictions.duplicated(identity), identity]
    if len(twice):
        raise ValueError(
            f"predictions: found {twice.iloc[0].to_dict()} more than once ({len(twice)} rows too many), expected each "
            "item once a seed; read each predictions file once."
        )
    rows = [
        (*key, *share_of(group), group["calls"].mean(), group["undecided"].mean())
        for key, group in predictions.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "accuracy", "low", "high", "n", "calls", "undecided"])


def with_missing(cells: pd.DataFrame, levels: dict[str, Sequence[str]]) -> pd.DataFrame:
    """The cells in the order of the levels' product; a cell that nobody ran has n = 0 and nan elsewhere."""
    grid = pd.MultiIndex.from_product(list(levels.values()), names=list(levels)).to_frame(index=False)
    return grid.merge(cells, how="left", on=list(levels)).fillna({"n": 0}).astype({"n": "int64"})


def paper_examples(dataset: str, sizes: Mapping[str, int | None] | None) -> int:
    """Test images behind the paper's accuracy: PAPER_EXAMPLES, or the whole test set where `sizes` knows it to be smaller."""
    return min(PAPER_EXAMPLES, (sizes or {}).get(dataset) or PAPER_EXAMPLES)


def agrees(accuracy: float, n: int, paper: float, examples: int = PAPER_EXAMPLES) -> object:
    """Whether the 95 % interval of the difference to the paper, with that many examples, holds 0; NA where either is missing."""
    if not n or np.isnan(paper):
        return pd.NA
    low, high = proportion_difference(accuracy * n, n, paper * examples, examples)
    return low <= 0 <= high


def expected(columns: list[str], wanted: pd.DataFrame | None, there: pd.DataFrame) -> pd.DataFrame:
    """The distinct values of the columns, those that the run asks for first, then what else is there."""
    parts = [part[columns] for part in (wanted, there) if part is not None]
    return pd.concat(parts, ignore_index=True).drop_duplicates().reset_index(drop=True)


def costs_of(costs: pd.DataFrame) -> pd.DataFrame:
    """model, dataset, calls, seconds, gpu_hours: sums over shards; a sum of nothing is nan, not 0."""
    require(costs, ["model", "dataset", *SPENT], "costs")
    return costs.groupby(["model", "dataset"], as_index=False)[list(SPENT)].sum(min_count=1)
