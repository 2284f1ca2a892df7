"""The crops of a data set's images at one size."""

from pathlib import Path

import pandas as pd

from diffzero.files import write_npy
from diffzero.images import crops
from diffzero.logs import log_to

log_to(snakemake.log[0])
images, size = pd.read_parquet(snakemake.input.images), int(snakemake.wildcards.size)
write_npy(crops(images, size, snakemake.params.via), Path(snakemake.output[0]))
