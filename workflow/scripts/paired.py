"""Models compared on the same images."""

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.paired_comparison import build_paired_comparison, format_paired_comparison
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = build_paired_comparison(load_predictions(snakemake.params.sources), snakemake.params.seed)
table_format.write_table(table, format_paired_comparison(table, snakemake.params.absent), snakemake.output)
