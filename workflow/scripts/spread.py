"""Appendix C: how much an accuracy varies over seeds and subsets."""

import pandas as pd

from diffzero.analysis.load import predictions
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = tables.spreads(predictions(snakemake.params.sources), pd.read_csv(snakemake.input.paper))
table_format.write(table, [tables.layout_spread(table, snakemake.params.absent)], snakemake.output)
