"""Training scenes of the mini models, without the held-out pairs."""

from pathlib import Path

from diffzero.files import write_parquet
from diffzero.logs import log_to
from diffzero.mini.recipe import SIZE
from diffzero.rendering import render_shard
from diffzero.scenes import SEEN_PAIRS

log_to(snakemake.log[0])
params = snakemake.params
table = render_shard(params.seed, range(params.first, params.first + params.scenes), SIZE, 36, SEEN_PAIRS)
write_parquet(table, Path(snakemake.output[0]))
