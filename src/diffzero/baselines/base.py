"""Networks on images, batch by batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

BATCH = 64


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Pixels [image, size, size, 3] uint8 as a network takes them, [image, 3, size, size]: batch by batch, as all at once fill 10 GB."""
    mean, std = (torch.tensor(values, device=pixels.device).view(1, 3, 1, 1) for values in (mean, std))
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def encode(function: Callable[[Tensor], Tensor], inputs: Tensor, device: torch.device) -> Tensor:
    """`function` over batches of `inputs`, float64 on the CPU."""
    return torch.cat([function(rows.to(device)).double().cpu() for rows in inputs.split(BATCH)])
