"""Loading the denoising network alone: a U-Net or a transformer."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from diffzero.models.base import Denoiser

if TYPE_CHECKING:
    import torch
    from diffusers.models.modeling_utils import ModelMixin


def load_network(
    network_class: type[ModelMixin], checkpoint_dir: Path, part: str, dtype: torch.dtype, device: torch.device
) -> torch.nn.Module:
    """Load the network in the sub-folder `part` with a diffusers class, frozen and in evaluation mode."""
    network = network_class.from_pretrained(checkpoint_dir, subfolder=part, torch_dtype=dtype, use_safetensors=True)
    return network.to(device).eval().requires_grad_(False)


class UNetDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `unet`."""

    NETWORK: ClassVar[str] = "unet"

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        super().__init__(checkpoint_dir, dtype, device)
        self.unet = load_network(UNet2DConditionModel, checkpoint_dir, self.NETWORK, dtype, device)


class TransformerDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `transformer`."""

    NETWORK: ClassVar[str] = "transformer"

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(checkpoint_dir, dtype, device)
        self.transformer = load_network(self.network_class(), checkpoint_dir, self.NETWORK, dtype, device)

    @staticmethod
    @abstractmethod
    def network_class() -> type[ModelMixin]:
        """Return the transformer's class in diffusers. Importing it takes seconds, so it is not a class variable."""
