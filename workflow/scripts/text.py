"""The text embeddings of a data set's prompts."""

from pathlib import Path

import torch

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.scoring.inputs import dump_text
from diffzero.scoring.problem import read_prompts
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
record = CheckpointRecord.read(Path(snakemake.input.weights))
adapter = record.adapter()
folder = record.verified_path(adapter.text_folders())
prompts = read_prompts(Path(snakemake.input.prompts))
with reserve_gpu(snakemake.params.device) as device:
    text = adapter.encode_text(folder, prompts, models.pick_device(device))
write_atomically(Path(snakemake.output[0]), dump_text(text, prompts))
