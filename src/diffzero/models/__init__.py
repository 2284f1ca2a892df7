"""One adapter per model family; the checkpoint's own model_index.json says which."""

import importlib
from pathlib import Path

import torch

from diffzero.models.base import Denoiser
from diffzero.models.checkpoint import CheckpointError
from diffzero.models.registry import adapter_of

__all__ = ["CheckpointError", "Denoiser", "adapter_class", "load", "pick_device"]


def adapter_class(folder: Path) -> type[Denoiser]:
    """The adapter of the checkpoint in `folder`; only its own family's libraries are imported. Raises CheckpointError."""
    module, name = adapter_of(folder)
    return getattr(importlib.import_module(f"diffzero.models.families.{module}"), name)


def pick_device(device: str) -> torch.device:
    """The device to use; "auto" takes a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def load(folder: Path, dtype: str, device: str) -> Denoiser:
    """The denoiser of a checkpoint on `device`, its network in `dtype`."""
    return adapter_class(folder)(folder, getattr(torch, dtype), pick_device(device))
