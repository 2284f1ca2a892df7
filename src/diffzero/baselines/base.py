"""What the baselines share: running a network over images, and the table of predictions."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

BATCH_SIZE = 64


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pixels [image, size, size, 3] uint8 as a network takes them, [image, 3, size, size]: batch by batch, as all at once fill 10 GB."""
    mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (mean, std))
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def run_in_batches(function: Callable[[Tensor], Tensor], inputs: Tensor, device: torch.device) -> Tensor:
    """`function` over batches of `inputs`, float64 on the CPU."""
    return torch.cat([function(rows.to(device)).double().cpu() for rows in inputs.split(BATCH_SIZE)])


def prediction_table(
    items: pd.DataFrame, classes: Sequence[Sequence[int]], scores: Sequence[NDArray[np.float64]]
) -> pd.DataFrame:
    """One row an item: the class with the largest of its scores; a tie goes to the lowest label. `calls` is NaN: no denoiser ran."""
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = [int(labels[s.argmax()]) for labels, s in zip(classes, scores, strict=True)]
    kept["correct"] = kept["prediction"] == kept["label"]
    ties = [int((s == s.max()).sum()) > 1 for s in scores]
    return kept.assign(calls=np.nan, draws=0, undecided=False, tied=ties)
