"""x of a data set's crops: latents, or the pixels themselves."""

from pathlib import Path

import numpy as np
import torch

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.utils.io import write_npy_rows
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
record = CheckpointRecord.read(Path(snakemake.input.weights))
adapter = record.adapter()
folder = record.verified_path(adapter.LATENT_ENCODERS)
crops = np.load(snakemake.input.crops, mmap_mode="r")
with reserve_gpu(snakemake.params.device) as device:
    x = adapter.iter_latents(folder, crops, models.pick_device(device))
    write_npy_rows(x, len(crops), Path(snakemake.output[0]))
