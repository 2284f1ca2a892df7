"""Predictions of x for a few images under right and wrong prompts, as pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.scoring.denoise_figure import denoise_images
from diffzero.scoring.inputs import load_text
from diffzero.scoring.problem import read_prompts
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, params = snakemake.input, snakemake.params
with reserve_gpu(params.device) as device:
    record = CheckpointRecord.read(Path(source.weights))
    adapter = record.adapter()
    folder = record.verified_path([*adapter.scoring_folders(), *adapter.LATENT_ENCODERS])
    denoiser = models.load(folder, params.dtype, device)
    pictures = denoise_images(
        denoiser,
        pd.read_parquet(source.decisions).head(params.entry["n_images"]),
        np.load(source.crops),
        np.load(source.x),
        load_text(Path(source.text), read_prompts(Path(source.prompts))),
        make_weight_fn(parse_weighting(params.weighting), denoiser.schedule),
        (params.seed, snakemake.wildcards.dataset),
        params.entry["t"],
    )
write_atomically(Path(snakemake.output[0]), save(pictures))
