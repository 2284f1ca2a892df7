"""Where in t the decision is made: scores of the true class and of its strongest rival, bucket by bucket."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis.learned_weighting import bucket
from diffzero.analysis.score_array import UNKNOWN, Matrices
from diffzero.analysis.statistics import mean_difference_interval

COLUMNS = ("t", "true", "rival", "difference", "low", "high", "weighted", "weighted_low", "weighted_high", "n")


def profile(data: Matrices, weight: Callable[[NDArray], NDArray], buckets: int = 10) -> pd.DataFrame:
    """COLUMNS, one row a bucket of t, t at its middle: means over the images with a draw in it.

    true, rival: squared error under the right prompt, and under the wrong prompt with the lowest mean weighted score.
    difference: rival - true, as a share of true; weighted: w_t (rival - true) in units of the mean over t of w_t true.
    Intervals are Student's over images, 95 %.
    """
    known = np.flatnonzero(data.label != UNKNOWN)
    data, images = data.take(known), np.arange(len(known))
    means = data.means(weight)
    unit = means[images, data.label].mean()
    means[images, data.label] = np.inf
    pair = np.stack([data.scores[k][:, [data.label[k], means[k].argmin()]] for k in images]).astype(np.float64)
    index, rows = bucket(data.t, buckets), []
    for k in range(buckets):
        inside = index == k
        has = inside.any(axis=1)
        if not has.any():
            continue
        within = np.where(inside[has][..., None], pair[has], 0).sum(axis=1) / inside[has].sum(axis=1)[:, None]
        share = within[:, 1] / within[:, 0] - 1
        weighted = np.where(inside[has], weight(data.t[has]) * (pair[has][..., 1] - pair[has][..., 0]), 0).sum(axis=1)
        weighted /= inside[has].sum(axis=1) * unit
        rows.append(
            ((k + 0.5) / buckets, *within.mean(axis=0), *mean_difference_interval(share))
            + (*mean_difference_interval(weighted), int(has.sum()))
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
