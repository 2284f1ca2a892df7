"""Stable Diffusion 1.x and 2.x: a latent U-Net under a CLIP text encoder (Rombach et al. 2022)."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from diffzero.models.backbones import UNetDenoiser
from diffzero.models.base import CPU, Tensors
from diffzero.models.latent import LatentDenoiser
from diffzero.models.unet_cache import UNetCache, supports_cache
from diffzero.typing import Arrays


class StableDiffusion(LatentDenoiser, UNetDenoiser):
    """Text is the encoder's last hidden state; eps or v, as the scheduler's configuration says."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        self.cache = UNetCache(self.unet) if supports_cache(self.unet) else None

    def shared_compute(self, draw_index: Tensor, prompt_index: Tensor) -> AbstractContextManager:
        return (
            self.cache.active(draw_index, prompt_index)
            if self.cache
            else super().shared_compute(draw_index, prompt_index)
        )

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.unet(x_t, timestep, text["states"]).sample

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        from diffzero.models import text_encoders

        return {"states": text_encoders.encode_clip_last(folder, prompts, device).numpy()}
