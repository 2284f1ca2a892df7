"""A checkpoint folder before anything is loaded from it: whole, of a known family, and its digest. Needs no torch."""

import hashlib
import json
from collections.abc import Sequence
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


def conversion(source: Path | str, revision: str | None = None) -> str:
    """The command that writes a checkpoint with `.bin` weights (a folder, or a repository at a commit) again as safetensors."""
    at = f", revision={revision!r}" if revision else ""
    target = f"{Path(source).name if revision else source}-safetensors"
    code = (
        f"from diffusers import DiffusionPipeline as P; P.from_pretrained({str(source)!r}{at}, safety_checker=None)"
        f".save_pretrained({target!r})"
    )
    return f'python -c "{code}"'


def single(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of these safetensors files in a folder whose weights are one file. Raises CheckpointError, also for pickles alone."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if found:
        return found[0]
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no checkpoint there, expected a folder with {names[0]}. Set `path` or `hub` in its YAML."
        )
    pickled = sorted(path for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
    if not pickled:
        raise CheckpointError(f"{folder}: found no weights, expected {names[0]}.")
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"s = torch.load({str(pickled[0])!r}, map_location='cpu', weights_only=True); s = s.get('state_dict', s); "
        f"save_file({{k: v.clone().contiguous() for k, v in s.items()}}, {str(folder / names[0])!r})"
    )
    raise CheckpointError(
        f"{folder}: found {pickled[0].name} and no {names[0]}. Pickled weights are refused, as they can run any code. Convert them where "
        f'you trust them: python -c "{code}"'
    )


def digest(folder: Path, files: Sequence[str] = IDENTITY) -> str:
    """sha256 over the names and bytes of all files of a checkpoint (matching one of these patterns) that can change a score."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in files for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()
