"""Pictures that a model makes from a data set's class prompts."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from diffzero import denoisers
from diffzero.checkpoint import Recorded
from diffzero.figures.paper import MOST_PROMPTS
from diffzero.files import write_atomically
from diffzero.gpus import own_gpu
from diffzero.logs import log_to
from diffzero.problem import read_prompts
from diffzero.sampling import sample

log_to(snakemake.log[0])
source, params, entry = snakemake.input, snakemake.params, snakemake.params.entry
prompts = read_prompts(Path(source.prompts))[:MOST_PROMPTS]
with own_gpu(params.device) as device:
    pictures = sample(
        Recorded.read(Path(source.weights)).unchanged(),
        prompts,
        entry["images"],
        entry["steps"],
        entry["guidance"],
        params.seed,
        params.size,
        getattr(torch, params.dtype),
        denoisers.pick_device(device),
    )
write_atomically(Path(snakemake.output[0]), save({"pictures": np.ascontiguousarray(pictures)}))
