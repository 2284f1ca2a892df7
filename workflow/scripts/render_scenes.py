"""Render one shard of scenes."""

from pathlib import Path

from diffzero.binding.render import render_scenes
from diffzero.scoring.problem import shard_slice
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import write_parquet

configure_logging(snakemake.log[0])
params = snakemake.params
rows = shard_slice(params.scenes, int(snakemake.wildcards.shard), int(snakemake.wildcards.shards))
table = render_scenes(params.seed, range(rows.start, rows.stop), params.resolution, params.spp)
write_parquet(table, Path(snakemake.output[0]))
