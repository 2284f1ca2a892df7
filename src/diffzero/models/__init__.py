"""Denoisers of the supported model families.

`load` gives a denoiser, `adapter_class` its class, which encodes images and prompts without loading the network.
Importing this package does not import PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diffzero.models.base import Denoiser
from diffzero.models.checkpoint import adapter_class
from diffzero.models.errors import CheckpointError

if TYPE_CHECKING:
    import torch

__all__ = ["CheckpointError", "Denoiser", "adapter_class", "load", "pick_device"]


def pick_device(device: str) -> torch.device:
    """Return the device with this name; "auto" means a GPU if there is one, else the CPU."""
    import torch

    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def load(checkpoint_dir: Path, dtype: str, device: str) -> Denoiser:
    """Load the denoiser of a checkpoint.

    Parameters
    ----------
    checkpoint_dir : Path
        The checkpoint, in diffusers' folder layout.
    dtype : str
        PyTorch dtype of the network, e.g. "float16".
    device : str
        PyTorch device, or "auto".

    Raises
    ------
    CheckpointError
        If the folder holds no checkpoint of a supported family.
    """
    import torch

    return adapter_class(checkpoint_dir)(checkpoint_dir, getattr(torch, dtype), pick_device(device))
