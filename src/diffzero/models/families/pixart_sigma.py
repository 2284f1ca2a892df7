"""PixArt-Sigma: a latent diffusion transformer under T5, with learned variance (Chen et al. 2024)."""

from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel
from torch import Tensor

from diffzero.models.backbones import TransformerDenoiser
from diffzero.models.base import CPU, Tensors
from diffzero.models.latent import LatentDenoiser
from diffzero.typing import Arrays

TEXT_TOKENS = 300  # PixArtSigmaPipeline's max_sequence_length


class PixArtSigma(LatentDenoiser, TransformerDenoiser):
    """Text is T5's states and their mask, which the transformer reads too; the output holds eps and a learned variance."""

    NETWORK = PixArtTransformer2DModel

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        output = self.transformer(
            x_t,
            encoder_hidden_states=text["states"],
            encoder_attention_mask=text["mask"],
            timestep=timestep,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample
        return output[:, : x_t.shape[1]]

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        """T5 reads lower-cased prompts, as in PixArtSigmaPipeline without its cleaning, for the reason given at DeepFloydIF."""
        from diffzero.models import text_encoders

        lowered = [prompt.lower().strip() for prompt in prompts]
        states, mask = text_encoders.encode_t5(folder, lowered, TEXT_TOKENS, device)
        return {"states": states.numpy(), "mask": mask.numpy()}
