"""Stable Diffusion 3 and 3.5: a transformer for rectified flow under two CLIP encoders and T5 (Esser et al. 2024)."""

import json
from pathlib import Path

import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor

from diffzero.models.backbones import TransformerDenoiser
from diffzero.models.base import CPU, Tensors
from diffzero.models.latent import LatentDenoiser
from diffzero.typing import Arrays

T5_TOKENS = 256  # StableDiffusion3Pipeline's max_sequence_length


class StableDiffusion3(LatentDenoiser, TransformerDenoiser):
    """Text is CLIP's states side by side, filled up with zeros to T5's width, with T5's states behind them, and both pooled ones."""

    NETWORK = SD3Transformer2DModel

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.transformer(x_t, text["states"], text["pooled"], timestep).sample

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        """A checkpoint without T5 (text_encoder_3 null in model_index.json) gets zeros in its place, as in the pipeline."""
        from diffzero.models import text_encoders

        first, pooled = text_encoders.encode_clip_penultimate(folder, prompts, "", device)
        second, pooled_2 = text_encoders.encode_clip_penultimate(folder, prompts, "_2", device)
        width = json.loads((folder / "transformer" / "config.json").read_text())["joint_attention_dim"]
        if json.loads((folder / "model_index.json").read_text()).get("text_encoder_3", [None, None])[1]:
            # The pipeline gives this T5 no mask: padding takes part, as it did in training.
            third, _ = text_encoders.encode_t5(folder, prompts, T5_TOKENS, device, "_3", masked=False)
        else:
            third = torch.zeros(len(prompts), T5_TOKENS, width)
        clip = torch.cat([first, second], dim=-1)
        clip = torch.nn.functional.pad(clip, (0, width - clip.shape[-1]))
        return {
            "states": torch.cat([clip, third], dim=1).numpy(),
            "pooled": torch.cat([pooled, pooled_2], dim=-1).numpy(),
        }
