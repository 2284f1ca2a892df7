"""Models compared on the same images."""

from diffzero.analysis.load import predictions
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = tables.paired(predictions(snakemake.params.sources), snakemake.params.seed)
table_format.write(table, [tables.layout_paired(table, snakemake.params.absent)], snakemake.output)
