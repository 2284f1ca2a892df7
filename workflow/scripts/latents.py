"""x of a data set's crops: latents, or the pixels themselves."""

from pathlib import Path

import numpy as np
import torch

from diffzero import denoisers
from diffzero.checkpoint import LATENTS, Recorded
from diffzero.files import write_npy_rows
from diffzero.gpus import own_gpu
from diffzero.logs import log_to

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
folder = Recorded.read(Path(snakemake.input.weights)).unchanged(LATENTS)
crops = np.load(snakemake.input.crops, mmap_mode="r")
with own_gpu(snakemake.params.device) as device:
    x = denoisers.family(folder).encoded(folder, crops, denoisers.pick_device(device))
    write_npy_rows(x, len(crops), Path(snakemake.output[0]))
