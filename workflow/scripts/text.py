"""The text embeddings of a data set's prompts."""

from pathlib import Path

import torch

from diffzero import denoisers
from diffzero.checkpoint import TEXT, Recorded
from diffzero.files import write_atomically
from diffzero.gpus import own_gpu
from diffzero.inputs import text_bytes
from diffzero.logs import log_to
from diffzero.problem import read_prompts

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
folder = Recorded.read(Path(snakemake.input.weights)).unchanged(TEXT)
prompts = read_prompts(Path(snakemake.input.prompts))
with own_gpu(snakemake.params.device) as device:
    text = denoisers.family(folder).encode_text(folder, prompts, denoisers.pick_device(device))
write_atomically(Path(snakemake.output[0]), text_bytes(text, prompts))
