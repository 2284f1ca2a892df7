"""Crop the images of a data set to one or several resolutions."""

from pathlib import Path

from diffzero.data.transforms import iter_crops
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digest_of, read_parquet
from diffzero.utils.row_files import write_rows

configure_logging(snakemake.log[0])
params, source = snakemake.params, Path(snakemake.input.images)
images = read_parquet(source)
for resolution, path in zip(params.resolutions, snakemake.output, strict=True):
    crops = (crop[None] for crop in iter_crops(images, resolution, params.downsample_to))
    settings = {"resolution": resolution, "downsample_to": params.downsample_to}
    write_rows(crops, len(images), Path(path), {source: digest_of(source)}, settings)
