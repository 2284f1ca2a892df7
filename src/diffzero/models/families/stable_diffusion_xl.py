"""Stable Diffusion XL, base: a latent U-Net under two CLIP text encoders, told the image's size (Podell et al. 2024)."""

from pathlib import Path

import torch
from torch import Tensor

from diffzero.models.backbones import UNetDenoiser
from diffzero.models.base import CPU, Tensors
from diffzero.models.latent import LatentDenoiser, pixels_per_latent
from diffzero.typing import Arrays


class StableDiffusionXL(LatentDenoiser, UNetDenoiser):
    """Text is both encoders' last but one hidden state side by side, and the second encoder's pooled one."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        self.pixels_per_latent = pixels_per_latent(folder)

    def time_ids(self, x_t: Tensor) -> Tensor:
        """Original size, crop corner and target size [batch, 6]: the size of the crop, uncropped, the pipeline's own default."""
        height, width = (side * self.pixels_per_latent for side in x_t.shape[-2:])
        return torch.tensor([[height, width, 0, 0, height, width]], device=x_t.device, dtype=x_t.dtype).expand(
            len(x_t), -1
        )

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        added = {"text_embeds": text["pooled"], "time_ids": self.time_ids(x_t)}
        return self.unet(x_t, timestep, text["states"], added_cond_kwargs=added).sample

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        from diffzero.models import text_encoders

        first, _ = text_encoders.encode_clip_penultimate(folder, prompts, "", device, projected=False)
        second, pooled = text_encoders.encode_clip_penultimate(folder, prompts, "_2", device)
        return {"states": torch.cat([first, second], dim=-1).numpy(), "pooled": pooled.numpy()}
