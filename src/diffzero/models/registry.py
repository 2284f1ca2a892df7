"""The model families, by the diffusers pipeline that a checkpoint names in its model_index.json."""

import json
from pathlib import Path

from diffzero.models.checkpoint import MODEL_INDEX, CheckpointError, refuse_pickles

# Pipeline class of model_index.json -> module and class of the adapter in diffzero.models.families.
FAMILIES = {
    "StableDiffusionPipeline": ("stable_diffusion", "StableDiffusion"),
    "StableDiffusionXLPipeline": ("stable_diffusion_xl", "StableDiffusionXL"),
    "StableDiffusion3Pipeline": ("stable_diffusion_3", "StableDiffusion3"),
    "PixArtSigmaPipeline": ("pixart_sigma", "PixArtSigma"),
    "IFPipeline": ("deepfloyd_if", "DeepFloydIF"),
    "IFSuperResolutionPipeline": ("deepfloyd_if", "DeepFloydIFSuperResolution"),
}


def adapter_of(folder: Path) -> tuple[str, str]:
    """Module and class of the adapter for the checkpoint in `folder`. Raises CheckpointError."""
    path = folder / MODEL_INDEX
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
