"""Table 4, the transfer of learned weights and Appendix F, from unpruned scores."""

import pandas as pd

from diffzero.analysis.load import unpruned
from diffzero.diffusion.weighting import make_weight_fns, parse_weighting
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
output, absent, weighting = snakemake.output, snakemake.params.absent, parse_weighting(snakemake.params.weighting)
table4, ablations = pd.read_csv(snakemake.input.table4), pd.read_csv(snakemake.input.ablations)
found = unpruned(snakemake.params.sources)
data = {key: matrices for key, (matrices, _) in found.items()}
weights = {key: make_weight_fns(weighting, schedule) for key, (_, schedule) in found.items()}
heuristics = {key: fixed["heuristic"] for key, fixed in weights.items()}

table = tables.table4(data, weights, table4, snakemake.params.sizes)
table_format.write(table, [tables.layout4(table, table4, absent)], [output.csv, *output.rest])
table = tables.transfer(data, heuristics)
table_format.write(table, [tables.layout_transfer(table, absent)], [output.transfer, *output.transfer_rest])
table = tables.combined(data, heuristics)
table_format.write(table, [tables.layout_combined(table, ablations, absent)], [output.combined, *output.combined_rest])
