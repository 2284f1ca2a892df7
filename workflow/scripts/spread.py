"""Appendix C: how much an accuracy varies over seeds and subsets."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions

log_to(snakemake.log[0])
table = tables.spreads(predictions(snakemake.params.sources), pd.read_csv(snakemake.input.paper))
layout.write(table, [tables.layout_spread(table, snakemake.params.absent)], snakemake.output)
