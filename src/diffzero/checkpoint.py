"""A checkpoint folder before anything is loaded from it: whole, of a known family, and its digest. Needs no torch."""

import hashlib
import json
from pathlib import Path

# Pipeline class of model_index.json -> module and class of the adapter in diffzero.denoisers.
FAMILIES = {
    "StableDiffusionPipeline": ("stable_diffusion", "StableDiffusion"),
    "StableDiffusionXLPipeline": ("stable_diffusion_xl", "StableDiffusionXL"),
    "StableDiffusion3Pipeline": ("stable_diffusion_3", "StableDiffusion3"),
    "PixArtSigmaPipeline": ("pixart", "PixArtSigma"),
    "IFPipeline": ("deepfloyd", "DeepFloydIF"),
    "IFSuperResolutionPipeline": ("deepfloyd", "DeepFloydIFSuperResolution"),
}
# Parts that hold weights and are used; a safety checker, say, may be in any format, as nobody opens it.
NETWORKS = ("unet", "transformer")
PARTS = (*NETWORKS, "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
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
    refuse_pickles(folder)
    return FAMILIES[name]


def refuse_pickles(folder: Path) -> None:
    """Raise CheckpointError for a part without safetensors weights; nothing is ever unpickled."""
    present = [folder / part for part in PARTS if (folder / part).is_dir()]
    if not any(part.name in NETWORKS for part in present):
        raise CheckpointError(f"{folder}: found no unet or transformer folder, expected one with safetensors weights.")
    for part in present:
        if not list(part.glob("*.safetensors")):
            raise CheckpointError(
                f"{part}: found no safetensors weights. Weights in pickled `.bin` files are refused, as they can run any code. "
                f"Convert them where you trust them, then set `path` to the new folder: {conversion(folder)}"
            )


def conversion(folder: Path) -> str:
    """The command that writes a checkpoint with `.bin` weights again as safetensors."""
    code = (
        f"from diffusers import DiffusionPipeline as P; P.from_pretrained({str(folder)!r}, safety_checker=None)"
        f".save_pretrained({str(folder) + '-safetensors'!r})"
    )
    return f'python -c "{code}"'


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files of a checkpoint that can change a score."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in IDENTITY for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()
