"""PixArt-Sigma (Chen et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diffzero.models.backbones import TransformerDenoiser
from diffzero.models.latent import LatentDenoiser
from diffzero.models.widths import unequal
from diffzero.typing import Arrays
from diffzero.utils.io import read_json

if TYPE_CHECKING:
    import torch
    from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel
    from torch import Tensor

    from diffzero.models.base import Tensors

TEXT_TOKENS = 300  # PixArtSigmaPipeline's max_sequence_length


class PixArtSigma(LatentDenoiser, TransformerDenoiser):
    """A latent transformer with T5, of which it reads the states and the mask.

    The output holds eps and a learned variance; the variance is not used.
    """

    PIPELINE: ClassVar[str] = "PixArtSigmaPipeline"
    TOKEN_LIMITS: ClassVar[Mapping[str, int]] = {"tokenizer": TEXT_TOKENS}
    PART_CLASSES: ClassVar[Mapping[str, str]] = {"text_encoder": "T5EncoderModel"}

    @classmethod
    def part_classes(cls) -> dict[str, tuple[str, ...]]:
        """Add the transformer's class in published checkpoints, which diffusers replaces by the new one."""
        return super().part_classes() | {"transformer": (cls.network_class().__name__, "Transformer2DModel")}

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield differences between the transformer and the parts that make its inputs."""
        network, width = configs["transformer"], configs["text_encoder"]["d_model"]
        yield from super().find_conflicts(configs)
        channels = network["in_channels"]
        if network["out_channels"] not in (None, channels, 2 * channels):
            found = network["out_channels"]
            yield f"found {found} output channels of the transformer, expected {channels} or, with a variance, {2 * channels}"
        if network["use_additional_conditions"] is None and network["sample_size"] == 128:
            yield (
                "found sample_size 128 of the transformer without use_additional_conditions, expected false: by default it would read "
                "resolution and aspect ratio (PixArt-Alpha at 1024 pixels)"
            )
        yield from unequal(
            "caption_channels of the transformer", network["caption_channels"], width, "d_model of the text_encoder"
        )

    @staticmethod
    def network_class() -> type[PixArtTransformer2DModel]:
        """Return PixArtTransformer2DModel."""
        from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel

        return PixArtTransformer2DModel

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of T5's states and mask."""
        width = read_json(checkpoint_dir / "transformer" / "config.json")["caption_channels"]
        return {"states": (TEXT_TOKENS, width), "mask": (TEXT_TOKENS,)}

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps."""
        output = self.transformer(
            x_t,
            encoder_hidden_states=text["states"],
            encoder_attention_mask=text["mask"],
            timestep=timestep,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample
        return output[:, : x_t.shape[1]]

    @classmethod
    def clean_prompts(cls, prompts: list[str]) -> list[str]:
        """Return the prompts in lower case."""
        return [prompt.lower().strip() for prompt in prompts]

    @classmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return T5's `states` [prompt, token, width] and `mask` [prompt, token] of the lower-cased prompts.

        The pipeline's cleaning of captions is left out for the reason given in `DeepFloydIF.encode_text`.
        """
        from diffzero.models import text_encoders

        states, mask = text_encoders.encode_t5(checkpoint_dir, cls.clean_prompts(prompts), TEXT_TOKENS, device)
        return {"states": states.numpy(), "mask": mask.numpy()}
