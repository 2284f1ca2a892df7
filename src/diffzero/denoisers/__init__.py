"""One adapter per model family; the checkpoint's own model_index.json says which."""

import hashlib
import json
from pathlib import Path

import torch

from diffzero.denoisers.base import Denoiser
from diffzero.denoisers.deepfloyd import DeepFloydIF
from diffzero.denoisers.stable_diffusion import StableDiffusion

FAMILIES: dict[str, type[Denoiser]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "IFPipeline": DeepFloydIF,
}
# What changes a score: every weight and configuration that text, latents or the denoiser are computed with.
IDENTITY = ("*/*.safetensors", "*/*.json", "*/*.txt", "*/*.model", "model_index.json")


class CheckpointError(ValueError):
    """A checkpoint folder that is not there, not whole or of an unknown family."""


def family(folder: Path) -> type[Denoiser]:
    """The adapter of the checkpoint in `folder`. Raises CheckpointError."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint there (found no model_index.json). Expected a diffusers folder with safetensors weights; "
            "set `path` in config/models/ to it, or train the mini models with `snakemake train_mini`."
        )
    name = json.loads(path.read_text())["_class_name"]
    if name not in FAMILIES:
        raise CheckpointError(f"{path}: found pipeline {name!r}, expected one of {', '.join(FAMILIES)}.")
    if not list(folder.glob("unet/*.safetensors")):
        raise CheckpointError(
            f"{folder}/unet: found no safetensors weights. Unpickled `.bin` weights are refused: load them where you trust "
            "them and save them again with `save_pretrained(..., safe_serialization=True)`."
        )
    return FAMILIES[name]


def pick_device(device: str) -> torch.device:
    """The device to use; "auto" takes a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def load(folder: Path, dtype: str, device: str) -> Denoiser:
    """The denoiser of a checkpoint on `device`, its network in `dtype`."""
    return family(folder)(folder, getattr(torch, dtype), pick_device(device))


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a checkpoint that can change a score."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in IDENTITY for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()
