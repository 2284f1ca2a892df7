"""A checkpoint folder before anything is loaded from it: whole, of a known family, and its digest. Needs no torch."""

import hashlib
import json
from pathlib import Path

# Pipeline class of model_index.json -> module and class of the adapter in diffzero.denoisers.
FAMILIES = {
    "StableDiffusionPipeline": ("stable_diffusion", "StableDiffusion"),
    "IFPipeline": ("deepfloyd", "DeepFloydIF"),
}
# What changes a score: every weight and configuration that text, latents or the denoiser are computed with.
IDENTITY = ("*/*.safetensors", "*/*.json", "*/*.txt", "*/*.model", "model_index.json")


class CheckpointError(ValueError):
    """A checkpoint folder that is not there, not whole or of an unknown family."""


def adapter_of(folder: Path) -> tuple[str, str]:
    """Module and class of the adapter for the checkpoint in `folder`. Raises CheckpointError."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint there (found no model_index.json). Expected a diffusers folder with safetensors "
            "weights; set `path` in config/models/ to it, or train the mini models with `snakemake --cores all train_mini`."
        )
    name = json.loads(path.read_text())["_class_name"]
    if name not in FAMILIES:
        raise CheckpointError(f"{path}: found pipeline {name!r}, expected one of {', '.join(FAMILIES)}.")
    pickled = {path.parent for path in folder.glob("*/*.bin")}
    parts = [folder / "unet", *sorted(pickled)]
    for part in parts:
        if not list(part.glob("*.safetensors")):
            raise CheckpointError(
                f"{part}: found no safetensors weights. Unpickled `.bin` weights are refused: load them where you trust "
                "them and save them again with `save_pretrained(..., safe_serialization=True)`."
            )
    return FAMILIES[name]


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a checkpoint that can change a score."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in IDENTITY for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()
