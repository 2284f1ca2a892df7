"""From a baseline's numbers to prediction tables with the columns of replay_items."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def decided(
    items: pd.DataFrame, classes: Sequence[Sequence[int]], scores: Sequence[NDArray[np.float64]]
) -> pd.DataFrame:
    """One row an item: the class with the largest of its scores; a tie goes to the lowest label. `calls` is NaN: no denoiser ran."""
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = [int(labels[s.argmax()]) for labels, s in zip(classes, scores, strict=True)]
    kept["correct"] = kept["prediction"] == kept["label"]
    ties = [int((s == s.max()).sum()) > 1 for s in scores]
    return kept.assign(calls=np.nan, draws=0, undecided=False, tied=ties)
