"""Stable Diffusion 3 and 3.5 (Esser et al. 2024)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diffzero.diffusion.schedulers import FLOW_SCHEDULER
from diffzero.models.backbones import TransformerDenoiser
from diffzero.models.latent import LatentDenoiser
from diffzero.models.widths import unequal
from diffzero.typing import Arrays

if TYPE_CHECKING:
    import torch
    from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
    from torch import Tensor

    from diffzero.models.base import Tensors

T5_TOKENS = 256  # StableDiffusion3Pipeline's max_sequence_length


class StableDiffusion3(LatentDenoiser, TransformerDenoiser):
    """A transformer trained with rectified flow, with two CLIP encoders and T5.

    It reads the concatenated CLIP states, padded with zeros to T5's width, followed by T5's states, and both pooled CLIP states.
    """

    PIPELINE: ClassVar[str] = "StableDiffusion3Pipeline"
    TEXT_ENCODERS: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2", "text_encoder_3")
    TOKEN_LIMITS: ClassVar[Mapping[str, int]] = {"tokenizer_3": T5_TOKENS}
    OPTIONAL_PARTS: ClassVar[tuple[str, ...]] = ("text_encoder_3",)
    PART_CLASSES: ClassVar[Mapping[str, str]] = {
        "scheduler": FLOW_SCHEDULER,
        "text_encoder": "CLIPTextModelWithProjection",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "text_encoder_3": "T5EncoderModel",
    }
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {}  # the pipeline shifts latents

    @staticmethod
    def network_class() -> type[SD3Transformer2DModel]:
        """Return SD3Transformer2DModel."""
        from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

        return SD3Transformer2DModel

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield differences between the transformer and the parts that make its inputs."""
        network, first, second = (configs[part] for part in ("transformer", "text_encoder", "text_encoder_2"))
        yield from super().find_conflicts(configs)
        yield from unequal(
            "output channels of the transformer", network["out_channels"], network["in_channels"], "input channels"
        )
        if configs["vae"]["shift_factor"] is None:
            yield "found no shift_factor of the vae, expected a number, as Stable Diffusion 3's pipeline shifts latents"
        width, clip = network["joint_attention_dim"], first["hidden_size"] + second["hidden_size"]
        if width < clip:
            yield f"found joint_attention_dim {width} of the transformer, expected at least {clip}, both CLIP encoders' hidden_size"
        if "text_encoder_3" in configs:
            t5 = configs["text_encoder_3"]["d_model"]
            yield from unequal("joint_attention_dim of the transformer", width, t5, "d_model of text_encoder_3")
        pooled = first["projection_dim"] + second["projection_dim"]
        found = network["pooled_projection_dim"]
        yield from unequal(
            "pooled_projection_dim of the transformer", found, pooled, "sum of both CLIP encoders' projection_dim"
        )

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the states of CLIP and T5, one after the other, and of both pooled states."""
        config = json.loads((checkpoint_dir / "transformer" / "config.json").read_text())
        clip_tokens = json.loads((checkpoint_dir / "tokenizer" / "tokenizer_config.json").read_text())[
            "model_max_length"
        ]
        states = (clip_tokens + T5_TOKENS, config["joint_attention_dim"])
        return {"states": states, "pooled": (config["pooled_projection_dim"],)}

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps - x."""
        return self.transformer(x_t, text["states"], text["pooled"], timestep).sample

    @classmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return `states` [prompt, CLIP and T5 tokens, width] and `pooled` [prompt, width].

        For a checkpoint without T5 (text_encoder_3 is null in model_index.json) T5's states are zeros, as in the pipeline.
        """
        import torch

        from diffzero.models import text_encoders

        first, pooled = text_encoders.encode_clip_projected(checkpoint_dir, prompts, "", device)
        second, pooled_2 = text_encoders.encode_clip_projected(checkpoint_dir, prompts, "_2", device)
        width = json.loads((checkpoint_dir / "transformer" / "config.json").read_text())["joint_attention_dim"]
        if json.loads((checkpoint_dir / "model_index.json").read_text()).get("text_encoder_3", [None, None])[1]:
            # The pipeline gives this T5 no mask: padding takes part, as it did in training.
            third, _ = text_encoders.encode_t5(checkpoint_dir, prompts, T5_TOKENS, device, "_3", masked=False)
        else:
            third = torch.zeros(len(prompts), T5_TOKENS, width)
        clip = torch.cat([first, second], dim=-1)
        clip = torch.nn.functional.pad(clip, (0, width - clip.shape[-1]))
        return {
            "states": torch.cat([clip, third], dim=1).numpy(),
            "pooled": torch.cat([pooled, pooled_2], dim=-1).numpy(),
        }
