"""Code that the baselines share: normalisation, batches, and the table of predictions."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.models.base import batch_slices

BATCH_SIZE = 64


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Convert pixels [image, size, size, 3] uint8 to the network's input [image, 3, size, size].

    Call it per batch: the result for all images of a data set takes 10 GB.
    """
    mean_rgb, std_rgb = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (mean, std))
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean_rgb) / std_rgb


def run_in_batches(function: Callable[[Tensor], Tensor], inputs: Tensor, device: torch.device) -> Tensor:
    """Apply `function` to `inputs` in batches on `device`; return the results of all rows in float64 on the CPU."""
    batches = (inputs[rows] for rows in batch_slices(len(inputs), BATCH_SIZE))
    return torch.cat([function(rows.to(device)).double().cpu() for rows in batches])


def prediction_table(
    items: pd.DataFrame, classes: Sequence[Sequence[int]], scores: Sequence[NDArray[np.float64]]
) -> pd.DataFrame:
    """Predict the class with the highest score for each item; a tie goes to the lowest label.

    Parameters
    ----------
    items : DataFrame
        The items of a data set, with the columns of `classification_items`.
    classes : sequence of sequences of int
        Labels of the candidate classes of each item, in ascending order.
    scores : sequence of ndarray
        [class] float64 per item; higher is better, unlike the scores of diffusion models.

    Returns
    -------
    DataFrame
        The columns of `replay_items`. `calls` is NaN, as no denoiser ran.
    """
    table = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    table["prediction"] = [int(labels[int(s.argmax())]) for labels, s in zip(classes, scores, strict=True)]
    table["correct"] = table["prediction"] == table["label"]
    ties = [int((s == s.max()).sum()) > 1 for s in scores]
    table = table.assign(calls=np.nan, draws=0, reached_max_scores=False, exact_tie=ties)
    table.attrs = dict(items.attrs)
    return table
