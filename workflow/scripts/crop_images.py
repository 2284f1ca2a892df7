"""Crop the images of a data set to one or several resolutions."""

from pathlib import Path

import pandas as pd

from diffzero.data.transforms import iter_crops
from diffzero.utils.io import write_npy_rows
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, images = snakemake.params, pd.read_parquet(snakemake.input.images)
for resolution, path in zip(params.resolutions, snakemake.output, strict=True):
    crops = (crop[None] for crop in iter_crops(images, resolution, params.downsample_to))
    write_npy_rows(crops, len(images), Path(path))
