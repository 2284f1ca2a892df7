"""The crops of a data set's images at one size."""

from pathlib import Path

import pandas as pd

from diffzero.data.transforms import iter_crops
from diffzero.utils.io import write_npy_rows
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
images, size = pd.read_parquet(snakemake.input.images), int(snakemake.wildcards.size)
crops = (crop[None] for crop in iter_crops(images, size, snakemake.params.downsample_to))
write_npy_rows(crops, len(images), Path(snakemake.output[0]))
