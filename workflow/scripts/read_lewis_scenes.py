"""Write the two-object images of Lewis et al. as a table of scenes."""

from pathlib import Path

from diffzero.binding import lewis
from diffzero.utils.io import write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
settings = snakemake.params.lewis
table = lewis.load_scenes(Path(settings["path"]), settings["split"], settings["max_images"], snakemake.params.seed)
write_parquet(table, Path(snakemake.output[0]))
