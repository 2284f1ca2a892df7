"""What families with a transformer share: loading it, alone."""

from pathlib import Path
from typing import ClassVar

import torch

from diffzero.models.base import Denoiser


class TransformerDenoiser(Denoiser):
    """A denoiser whose network is the checkpoint's `transformer`, frozen, in the dtype asked for."""

    NETWORK: ClassVar[type]  # diffusers' class

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        network = self.NETWORK.from_pretrained(folder, subfolder="transformer", torch_dtype=dtype, use_safetensors=True)
        self.transformer = network.to(device).eval().requires_grad_(False)
