"""Refuse a resolution that the networks of a checkpoint would round down."""

from pathlib import Path
from typing import Any

from diffzero.config import Diffusion
from diffzero.models.errors import CheckpointError
from diffzero.utils.io import read_json


def pixel_step(checkpoint_dir: Path) -> int:
    """Return the number of pixels of which the resolution must be a multiple.

    Each level of an AutoencoderKL but the last halves the image and drops an odd row; a transformer also joins patches of the latent.
    """
    levels = _config(checkpoint_dir, "vae").get("block_out_channels", [1])
    patch = _config(checkpoint_dir, "transformer").get("patch_size") or 1
    return int(2 ** (len(levels) - 1) * patch)


def require_divisible(model: Diffusion, checkpoint_dir: Path) -> None:
    """Raise CheckpointError if `resolution` would be rounded down in silence."""
    step = pixel_step(checkpoint_dir)
    if model.resolution % step:
        lower = model.resolution // step * step
        nearest = f"{lower} or {lower + step}" if lower else str(step)
        raise CheckpointError(
            f"{checkpoint_dir}: 'resolution' is {model.resolution}, expected a multiple of {step}, e.g. {nearest}: the networks would "
            f"drop the remaining {model.resolution % step} rows and columns. Change it in the model's file in config/models."
        )


def _config(checkpoint_dir: Path, part: str) -> dict[str, Any]:
    path = checkpoint_dir / part / "config.json"
    found = read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}
