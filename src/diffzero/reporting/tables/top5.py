"""Top-5 accuracy of supervised baselines, in notes below the tables whose cells are top-1."""

import pandas as pd

from diffzero.analysis.statistics import wilson
from diffzero.reporting.table_format import with_interval


def top5_notes(predictions: pd.DataFrame) -> list[str]:
    """One note a (model, data set) whose predictions have `top5`: whether the label is among the five most probable classes."""
    has = predictions[predictions["top5"].notna()] if "top5" in predictions else predictions.iloc[:0]
    notes = []
    for (model, dataset), group in has.groupby(["model", "dataset"], sort=False):
        right, n = int(group["top5"].astype(bool).sum()), len(group)
        share = with_interval(right / n, *wilson(right, n), n)
        notes.append(
            f"{model} on {dataset}: top-5 accuracy {share} % of {n} images. Its row above, like all others, is top-1."
        )
    return notes
