"""Stable Diffusion 1.x and 2.x: a latent U-Net under a CLIP text encoder (Rombach et al. 2022)."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from diffzero.models.base import CPU, Tensors
from diffzero.models.latent import LatentDenoiser
from diffzero.models.unet import UNetDenoiser
from diffzero.models.unet_cache import Reuse, reads_text_late
from diffzero.typing import Arrays


class StableDiffusion(LatentDenoiser, UNetDenoiser):
    """Text is the encoder's last hidden state; eps or v, as the scheduler's configuration says."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        self.reuse = Reuse(self.unet) if reads_text_late(self.unet) else None

    def reusing(self, pair: Tensor, prompt: Tensor) -> AbstractContextManager:
        return self.reuse.of(pair, prompt) if self.reuse else super().reusing(pair, prompt)

    def predict(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.unet(x_t, timestep, text["states"]).sample

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        from diffzero.models import text_encoders

        return {"states": text_encoders.clip_last(folder, prompts, device).numpy()}
