"""One shard of rendered scenes."""

from pathlib import Path

from diffzero.files import write_parquet
from diffzero.logs import log_to
from diffzero.problem import shard_rows
from diffzero.rendering import render_shard

log_to(snakemake.log[0])
params = snakemake.params
rows = shard_rows(params.scenes, int(snakemake.wildcards.shard), int(snakemake.wildcards.shards))
table = render_shard(params.seed, range(rows.start, rows.stop), params.resolution, params.samples)
write_parquet(table, Path(snakemake.output[0]))
