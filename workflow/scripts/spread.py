"""Appendix C: how much an accuracy varies over seeds and subsets."""

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.seed_variance import build_seed_variance, format_seed_variance
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = build_seed_variance(load_predictions(snakemake.params.sources), pd.read_csv(snakemake.input.paper))
table_format.write_table(table, format_seed_variance(table, snakemake.params.absent), snakemake.output)
