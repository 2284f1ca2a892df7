"""Stable Diffusion XL, base model (Podell et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diffzero.models.backbones import UNetDenoiser
from diffzero.models.latent import LatentDenoiser, pixels_per_latent
from diffzero.models.widths import text_width, unequal
from diffzero.typing import Arrays
from diffzero.utils.io import read_json

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
    PART_CLASSES: ClassVar[Mapping[str, str]] = {
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "CLIPTextModelWithProjection",
    }
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {
        **LatentDenoiser.CONFIG_VALUES,
        "unet": {"addition_embed_type": ("text_time",)},
    }

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(checkpoint_dir, dtype, device)
        self.pixels_per_latent = pixels_per_latent(checkpoint_dir)

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield differences between the U-Net and the parts that make its inputs."""
        unet, first, second = (configs[part] for part in ("unet", "text_encoder", "text_encoder_2"))
        yield from super().find_conflicts(configs)
        yield from unequal("output channels of the unet", unet["out_channels"], unet["in_channels"], "input channels")
        width = first["hidden_size"] + second["hidden_size"]
        yield from unequal(
            "cross-attention width of the unet", text_width(unet), width, "sum of both text encoders' hidden_size"
        )
        width = 6 * (unet["addition_time_embed_dim"] or 0) + second["projection_dim"]
        yield from unequal(
            "projection_class_embeddings_input_dim of the unet",
            unet["projection_class_embeddings_input_dim"],
            width,
            "six times addition_time_embed_dim and the projection_dim of text_encoder_2",
        )

    def time_ids(self, x_t: Tensor) -> Tensor:
        """Return original size, crop corner and target size [batch, 6]: those of an uncropped image, the pipeline's default."""
        import torch

        height, width = (side * self.pixels_per_latent for side in x_t.shape[-2:])
        ids = torch.tensor([[height, width, 0, 0, height, width]], device=x_t.device, dtype=x_t.dtype)
        return ids.expand(len(x_t), -1)

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Add the shape of the pooled state."""
        width = read_json(checkpoint_dir / "text_encoder_2" / "config.json")["projection_dim"]
        return super().input_shapes(checkpoint_dir, resolution) | {"pooled": (width,)}

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
