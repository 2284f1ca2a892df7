"""Predictions of x for a few images under right and wrong prompts, as pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save

from diffzero import denoisers
from diffzero.checkpoint import LATENTS, SCORES, Recorded
from diffzero.config import Weighting
from diffzero.denoise import denoise
from diffzero.files import write_atomically
from diffzero.gpus import own_gpu
from diffzero.inputs import read_text
from diffzero.logs import log_to
from diffzero.problem import read_prompts
from diffzero.weighting import weigh

log_to(snakemake.log[0])
source, params = snakemake.input, snakemake.params
with own_gpu(params.device) as device:
    denoiser = denoisers.load(Recorded.read(Path(source.weights)).unchanged((*SCORES, *LATENTS)), params.dtype, device)
    pictures = denoise(
        denoiser,
        pd.read_parquet(source.decisions).head(params.entry["images"]),
        np.load(source.crops),
        np.load(source.x),
        read_text(Path(source.text), read_prompts(Path(source.prompts))),
        weigh(Weighting(**params.weighting), denoiser.schedule),
        (params.seed, snakemake.wildcards.dataset),
        params.entry["t"],
    )
write_atomically(Path(snakemake.output[0]), save(pictures))
