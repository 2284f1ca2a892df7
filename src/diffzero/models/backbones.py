"""Loading the denoising network alone: a U-Net or a transformer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from diffzero.models.base import Denoiser
from diffzero.utils.io import read_json

if TYPE_CHECKING:
    import torch
    from diffusers.models.modeling_utils import ModelMixin


def load_network(
    network_class: type[ModelMixin],
    family: type[Denoiser],
    checkpoint_dir: Path,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.nn.Module:
    """Load the network of a family with a diffusers class, frozen and in evaluation mode.

    Raises
    ------
    CheckpointError
        If its files are not whole, or its configuration is not supported.
    """
    from diffzero.models.verification.parts import require_part

    part = family.NETWORK
    if device.type == "meta":  # to count FLOPs, which needs no weights
        with device:
            return network_class.from_config(network_class.load_config(checkpoint_dir, subfolder=part)).to(dtype)
    require_part(checkpoint_dir, part, network_class, family.CONFIG_VALUES.get(part))
    network = network_class.from_pretrained(checkpoint_dir, subfolder=part, torch_dtype=dtype, use_safetensors=True)
    return network.to(device).eval().requires_grad_(False)


class UNetDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `unet`."""

    NETWORK: ClassVar[str] = "unet"
    PART_CLASSES: ClassVar[Mapping[str, str]] = {"unet": "UNet2DConditionModel"}

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        super().__init__(checkpoint_dir, dtype, device)
        self.unet = load_network(UNet2DConditionModel, type(self), checkpoint_dir, dtype, device)

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of the text states: tokens as the tokenizer states, width as the U-Net reads."""
        config = read_json(checkpoint_dir / cls.NETWORK / "config.json")
        stated = read_json(checkpoint_dir / "tokenizer" / "tokenizer_config.json")["model_max_length"]
        width = config.get("encoder_hid_dim") or config["cross_attention_dim"]
        return {"states": (cls.token_limit("tokenizer", int(stated)), width)}


class TransformerDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `transformer`."""

    NETWORK: ClassVar[str] = "transformer"

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(checkpoint_dir, dtype, device)
        self.transformer = load_network(self.network_class(), type(self), checkpoint_dir, dtype, device)

    @classmethod
    def part_classes(cls) -> dict[str, tuple[str, ...]]:
        """Add the transformer's class."""
        return {cls.NETWORK: (cls.network_class().__name__,)} | super().part_classes()

    @staticmethod
    @abstractmethod
    def network_class() -> type[ModelMixin]:
        """Return the transformer's class in diffusers. Importing it takes seconds, so it is not a class variable."""
