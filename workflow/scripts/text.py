"""The text embeddings of a data set's prompts."""

from pathlib import Path

import torch
from safetensors.numpy import save

from diffzero import denoisers
from diffzero.files import read_json, write_atomically
from diffzero.gpus import own_gpu
from diffzero.logs import log_to
from diffzero.problem import read_prompts

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
folder = Path(read_json(Path(snakemake.input.weights))["folder"])
prompts = read_prompts(Path(snakemake.input.prompts))
with own_gpu(snakemake.params.device) as device:
    text = denoisers.family(folder).encode_text(folder, prompts, denoisers.pick_device(device))
write_atomically(Path(snakemake.output[0]), save(text))
