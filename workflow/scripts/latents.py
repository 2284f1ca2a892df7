"""x of a data set's crops: latents, or the pixels themselves."""

from pathlib import Path

import numpy as np

from diffzero import denoisers
from diffzero.checkpoint import LATENTS, Recorded
from diffzero.files import write_npy
from diffzero.logs import log_to

log_to(snakemake.log[0])
folder = Recorded.read(Path(snakemake.input.weights)).unchanged(LATENTS)
x = denoisers.family(folder).encode_images(folder, np.load(snakemake.input.crops))
write_npy(x, Path(snakemake.output[0]))
