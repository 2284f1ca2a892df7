"""Render training scenes of the mini models, without the held-out pairs."""

from pathlib import Path

from diffzero.binding.render import render_scenes
from diffzero.binding.scenes import SEEN_PAIRS
from diffzero.training.recipe import SIZE
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import write_parquet

configure_logging(snakemake.log[0])
params = snakemake.params
table = render_scenes(params.seed, range(params.first, params.first + params.scenes), SIZE, 36, SEEN_PAIRS)
write_parquet(table, Path(snakemake.output[0]))
