"""Scores of the true class and of its strongest rival by timestep: which t determine the prediction."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis.learned_weighting import bucket_index
from diffzero.analysis.score_array import UNKNOWN_LABEL, ScoreArray
from diffzero.analysis.statistics import mean_difference_interval
from diffzero.typing import Floats, WeightFn

PROFILE_COLUMNS = ("t", "true", "rival", "difference", "low", "high", "weighted", "weighted_low", "weighted_high", "n")


def timestep_profile(data: ScoreArray, weight: WeightFn, buckets: int = 10) -> pd.DataFrame:
    """Compare the true class with its strongest rival in each bucket of t.

    The strongest rival is the wrong class with the lowest mean weighted score. All values are means over the images that have a draw
    in the bucket; intervals are Student's over images (95 %).

    Returns
    -------
    One row per bucket that holds a draw. Columns:

    - t (float64): middle of the bucket.
    - true, rival (float64): squared error under the true class and under the rival.
    - difference, low, high (float64): rival - true, as a share of true.
    - weighted, weighted_low, weighted_high (float64): w_t (rival - true), in units of the mean over t of w_t true.
    - n (int64): images.
    """
    data = data.take(np.flatnonzero(data.label != UNKNOWN_LABEL))
    pair, unit = _true_and_rival(data, weight)
    index, rows = bucket_index(data.t, buckets), []
    for k in range(buckets):
        inside = index == k  # [image, draw]
        has_draw = inside.any(axis=1)
        if not has_draw.any():
            continue
        draws = inside[has_draw].sum(axis=1)
        within = np.where(inside[has_draw][..., None], pair[has_draw], 0).sum(axis=1) / draws[:, None]
        lead = weight(data.t[has_draw]) * (pair[has_draw][..., 1] - pair[has_draw][..., 0])
        weighted = np.where(inside[has_draw], lead, 0).sum(axis=1) / (draws * unit)
        rows.append(
            ((k + 0.5) / buckets, *within.mean(axis=0), *mean_difference_interval(within[:, 1] / within[:, 0] - 1))
            + (*mean_difference_interval(weighted), int(has_draw.sum()))
        )
    return pd.DataFrame(rows, columns=list(PROFILE_COLUMNS))


def _true_and_rival(data: ScoreArray, weight: WeightFn) -> tuple[Floats, np.float64]:
    """Return the scores of the true class and its rival [image, draw, 2], and the mean weighted score of the true class."""
    images: NDArray[np.int64] = np.arange(len(data.label))
    means = data.weighted_means(weight)
    unit = means[images, data.label].mean()
    means[images, data.label] = np.inf
    pair = np.stack([data.scores[k][:, [data.label[k], means[k].argmin()]] for k in images]).astype(np.float64)
    return pair, unit
