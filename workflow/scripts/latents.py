"""x of a data set's crops: latents, or the pixels themselves."""

from pathlib import Path

import numpy as np

from diffzero import denoisers
from diffzero.files import read_json, write_npy
from diffzero.logs import log_to

log_to(snakemake.log[0])
folder = Path(read_json(Path(snakemake.input.weights))["folder"])
x = denoisers.family(folder).encode_images(folder, np.load(snakemake.input.crops))
write_npy(x, Path(snakemake.output[0]))
