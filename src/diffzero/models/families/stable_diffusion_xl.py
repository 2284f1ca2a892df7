"""Stable Diffusion XL, base model (Podell et al. 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from diffzero.models.backbones import UNetDenoiser
from diffzero.models.latent import LatentDenoiser, pixels_per_latent
from diffzero.typing import Arrays

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from diffzero.models.base import Tensors


class StableDiffusionXL(LatentDenoiser, UNetDenoiser):
    """A latent U-Net with two CLIP text encoders, conditioned on the image's size.

    It reads the penultimate hidden states of both encoders, concatenated, and the pooled state of the second.
    """

    PIPELINE: ClassVar[str] = "StableDiffusionXLPipeline"
    TEXT_ENCODERS: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2")

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(checkpoint_dir, dtype, device)
        self.pixels_per_latent = pixels_per_latent(checkpoint_dir)

    def time_ids(self, x_t: Tensor) -> Tensor:
        """Return original size, crop corner and target size [batch, 6]: those of an uncropped image, the pipeline's default."""
        import torch

        height, width = (side * self.pixels_per_latent for side in x_t.shape[-2:])
        ids = torch.tensor([[height, width, 0, 0, height, width]], device=x_t.device, dtype=x_t.dtype)
        return ids.expand(len(x_t), -1)

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps."""
        added = {"text_embeds": text["pooled"], "time_ids": self.time_ids(x_t)}
        return self.unet(x_t, timestep, text["states"], added_cond_kwargs=added).sample

    @classmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return `states` [prompt, token, width of both] and `pooled` [prompt, width of the second]."""
        import torch

        from diffzero.models import text_encoders

        first = text_encoders.encode_clip_penultimate(checkpoint_dir, prompts, "", device)
        second, pooled = text_encoders.encode_clip_projected(checkpoint_dir, prompts, "_2", device)
        return {"states": torch.cat([first, second], dim=-1).numpy(), "pooled": pooled.numpy()}
