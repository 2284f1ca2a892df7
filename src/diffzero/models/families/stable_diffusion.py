"""Stable Diffusion 1.x and 2.x (Rombach et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diffzero.models.backbones import UNetDenoiser
from diffzero.models.latent import LatentDenoiser
from diffzero.models.widths import text_width, unequal
from diffzero.typing import Arrays

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from diffzero.models.base import Tensors


class StableDiffusion(LatentDenoiser, UNetDenoiser):
    """A latent U-Net with a CLIP text encoder, of which it reads the last hidden state.

    The network predicts eps or v, as the scheduler's configuration says.
    """

    PIPELINE: ClassVar[str] = "StableDiffusionPipeline"
    PART_CLASSES: ClassVar[Mapping[str, str]] = {"text_encoder": "CLIPTextModel"}

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        from diffzero.models.unet_cache import UNetCache, supports_cache

        super().__init__(checkpoint_dir, dtype, device)
        self.cache = UNetCache(self.unet) if supports_cache(self.unet) else None

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield differences between the U-Net and the parts that make its inputs."""
        unet = configs["unet"]
        yield from super().find_conflicts(configs)
        yield from unequal("output channels of the unet", unet["out_channels"], unet["in_channels"], "input channels")
        width = configs["text_encoder"]["hidden_size"]
        yield from unequal(
            "cross-attention width of the unet", text_width(unet), width, "hidden_size of the text_encoder"
        )

    def shared_compute(self, draw_index: Tensor, prompt_index: Tensor) -> AbstractContextManager[None]:
        """Return a context in which parts of the U-Net run once per draw or once per prompt."""
        if self.cache is None:
            return super().shared_compute(draw_index, prompt_index)
        return self.cache.active(draw_index, prompt_index)

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps or v."""
        return self.unet(x_t, timestep, text["states"]).sample

    @classmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return CLIP's last hidden state, `states` [prompt, token, width]."""
        from diffzero.models import text_encoders

        return {"states": text_encoders.encode_clip_last(checkpoint_dir, prompts, device).numpy()}
