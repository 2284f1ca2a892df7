"""Pictures that a model makes from a data set's class prompts."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.models.sampling import SamplingSettings, sample
from diffzero.reporting.figures.samples import MAX_PROMPTS
from diffzero.scoring.problem import read_prompts
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, params, entry = snakemake.input, snakemake.params, snakemake.params.entry
prompts = read_prompts(Path(source.prompts))[:MAX_PROMPTS]
with reserve_gpu(params.device) as device:
    pictures = sample(
        CheckpointRecord.read(Path(source.weights)).verified_path(),
        prompts,
        SamplingSettings(entry["images_per_prompt"], entry["steps"], entry["guidance"], params.seed, params.resolution),
        getattr(torch, params.dtype),
        models.pick_device(device),
    )
write_atomically(Path(snakemake.output[0]), save({"pictures": np.ascontiguousarray(pictures)}))
