"""Unpruned scores of one data set as arrays: what weightings, calibration and learned weights are computed from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.pruning.replay import NotCoveredError

Floats = NDArray[np.float64]
UNKNOWN = -1  # a label whose prompt answers with a lower label: never right


@dataclass(frozen=True)
class Matrices:
    """Raw scores of images that all have every class and draw."""

    images: list[str]
    scores: NDArray[np.float32]  # [image, draw, class]
    t: Floats  # [image, draw]
    label: NDArray[np.int64]  # [image]: the true class as a column of `scores`, or UNKNOWN

    def means(self, weight: Callable[[Floats], Floats]) -> Floats:
        """Mean weighted score [image, class]."""
        return np.einsum("nd,ndk->nk", weight(self.t), self.scores) / self.t.shape[1]

    def correct(self, weight: Callable[[Floats], Floats]) -> NDArray[np.bool_]:
        """Whether the lowest mean weighted score is the true class's [image]; a tie goes to the lower label."""
        return self.means(weight).argmin(axis=1) == self.label

    def take(self, rows: NDArray) -> "Matrices":
        """Only these images."""
        return Matrices([self.images[k] for k in rows], self.scores[rows], self.t[rows], self.label[rows])


def matrices(items: pd.DataFrame, scores: pd.DataFrame) -> Matrices:
    """The scores of all items whose images were scored. Raises NotCoveredError where one lacks a class or a draw."""
    chosen = items[items["image"].isin(set(scores["image"]))]
    if chosen.empty:
        raise NotCoveredError("unpruned scores: found no image of the data set in them; run the scoring rule again.")
    candidates = np.array(chosen["candidates"].tolist())  # [image, class]
    draws = int(scores["draw"].max()) + 1
    position = {name: row for row, name in enumerate(chosen["image"])}
    image = scores["image"].map(position).to_numpy(dtype=np.int64)
    column = np.full(int(max(scores["prompt"].max(), candidates.max())) + 1, -1)
    column[candidates[0]] = np.arange(candidates.shape[1])
    where = image, scores["draw"].to_numpy(), column[scores["prompt"].to_numpy()]
    values = np.full((len(chosen), draws, candidates.shape[1]), np.nan, dtype=np.float32)
    values[where] = scores["score"].to_numpy()
    if np.isnan(values).any():
        row, draw, k = np.argwhere(np.isnan(values))[0]
        raise NotCoveredError(
            f"unpruned scores: image {chosen['image'].iloc[row]} lacks draw {draw} of class {k}, expected every class at "
            f"every one of {draws} draws; delete this scoring's files under scores/ and repeat the command."
        )
    t = np.zeros(values.shape[:2])
    t[where[:2]] = scores["t"].to_numpy()
    right = np.array(chosen["classes"].tolist()) == chosen["label"].to_numpy()[:, None]
    return Matrices(list(chosen["image"]), values, t, np.where(right.any(axis=1), right.argmax(axis=1), UNKNOWN))
