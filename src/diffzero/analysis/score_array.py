"""Full scores of one data set as arrays: the input of weightings, calibration and learned weights."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.pruning.replay import NotCoveredError
from diffzero.typing import Floats, WeightFn

UNKNOWN_LABEL = -1
"""Label of an image whose class shares its prompt with a lower label: no prediction of it counts as correct."""


@dataclass(frozen=True)
class ScoreArray:
    """Raw scores of images that all have every class and every draw."""

    images: list[str]
    scores: NDArray[np.float32]  # [image, draw, class]
    t: Floats  # [image, draw]
    label: NDArray[np.int64]  # [image]: the true class as a column of `scores`, or UNKNOWN_LABEL

    @property
    def calls(self) -> int:
        """Calls behind the scores: one per class, draw and image."""
        return self.scores.size

    def weighted_means(self, weight: WeightFn) -> Floats:
        """Return the mean weighted score [image, class]."""
        return np.einsum("nd,ndk->nk", weight(self.t), self.scores) / self.t.shape[1]

    def correct_under(self, weight: WeightFn) -> NDArray[np.bool_]:
        """Return whether the true class has the lowest mean weighted score [image]; a tie goes to the lower label."""
        return self.weighted_means(weight).argmin(axis=1) == self.label

    def take(self, rows: NDArray[np.int64]) -> "ScoreArray":
        """Return the scores of these images only."""
        return ScoreArray([self.images[k] for k in rows], self.scores[rows], self.t[rows], self.label[rows])


def build_score_array(items: pd.DataFrame, scores: pd.DataFrame) -> ScoreArray:
    """Arrange the scores of all items whose images were scored.

    Parameters
    ----------
    items
        Columns image, label, candidates (prompt indices) and classes (their labels); the same candidates in every row.
    scores
        Columns image, draw, prompt, t and score, as in a score shard.

    Raises
    ------
    NotCoveredError
        If an image lacks a class or a draw, or no image was scored.
    """
    chosen = items[items["image"].isin(set(scores["image"]))]
    if chosen.empty:
        raise NotCoveredError(
            "full scores: found no image of the data set, expected the images of the items. Re-run the same command with "
            "`--forcerun score`: stored scores are kept."
        )
    candidates = np.array(chosen["candidates"].tolist())  # [image, class]
    draws = int(scores["draw"].max()) + 1
    position = {name: row for row, name in enumerate(chosen["image"])}
    image = scores["image"].map(position).to_numpy(dtype=np.int64)
    column = np.full(int(max(scores["prompt"].max(), candidates.max())) + 1, -1)
    column[candidates[0]] = np.arange(candidates.shape[1])
    draw = scores["draw"].to_numpy()
    values = np.full((len(chosen), draws, candidates.shape[1]), np.nan, dtype=np.float32)
    values[image, draw, column[scores["prompt"].to_numpy()]] = scores["score"].to_numpy()
    _check_complete(values, chosen["image"])
    t = np.zeros(values.shape[:2])
    t[image, draw] = scores["t"].to_numpy()
    is_label = np.array(chosen["classes"].tolist()) == chosen["label"].to_numpy()[:, None]  # [image, class]
    label = np.where(is_label.any(axis=1), is_label.argmax(axis=1), UNKNOWN_LABEL)
    return ScoreArray(list(chosen["image"]), values, t, label)


def _check_complete(values: NDArray[np.float32], images: "pd.Series[str]") -> None:
    """Raise NotCoveredError for the first NaN among the scores [image, draw, class]."""
    if not np.isnan(values).any():
        return
    row, draw, k = np.argwhere(np.isnan(values))[0]
    raise NotCoveredError(
        f"full scores: image {images.iloc[row]} lacks draw {draw} of class {k}, expected every class at every one of "
        f"{values.shape[1]} draws; delete the files of this scoring under scores/ and re-run the same command."
    )
