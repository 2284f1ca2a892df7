"""Denoisers that load their network from the checkpoint's `unet` or `transformer` folder."""

from pathlib import Path
from typing import ClassVar

import torch
from diffusers import UNet2DConditionModel

from diffzero.models.base import Denoiser


class UNetDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `unet`, frozen, in the given dtype."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype, use_safetensors=True)
        self.unet = unet.to(device).eval().requires_grad_(False)


class TransformerDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `transformer`, frozen, in the given dtype."""

    NETWORK: ClassVar[type]  # the network's class in diffusers

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        network = self.NETWORK.from_pretrained(folder, subfolder="transformer", torch_dtype=dtype, use_safetensors=True)
        self.transformer = network.to(device).eval().requires_grad_(False)
