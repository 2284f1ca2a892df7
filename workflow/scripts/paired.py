"""Models compared on the same images."""

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions

log_to(snakemake.log[0])
table = tables.paired(predictions(snakemake.params.sources), snakemake.params.seed)
layout.write(table, [tables.layout_paired(table, snakemake.params.absent)], snakemake.output)
