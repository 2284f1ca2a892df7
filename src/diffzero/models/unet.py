"""What families with a U-Net share: loading it, alone."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from diffzero.models.base import Denoiser


class UNetDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `unet`, frozen, in the dtype asked for."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype, use_safetensors=True)
        self.unet = unet.to(device).eval().requires_grad_(False)
