"""Table 4, the transfer of learned weights and Appendix F, from unpruned scores."""

import pandas as pd

from diffzero.analysis.load import load_full_scores
from diffzero.diffusion.weighting import make_weight_fns, parse_weighting
from diffzero.reporting import table_format
from diffzero.reporting.tables.combined_models import build_combined, format_combined
from diffzero.reporting.tables.table4_weighting import build_table4, format_table4
from diffzero.reporting.tables.weight_transfer import build_transfer, format_transfer
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
output, absent, weighting = snakemake.output, snakemake.params.absent, parse_weighting(snakemake.params.weighting)
table4, ablations = pd.read_csv(snakemake.input.table4), pd.read_csv(snakemake.input.ablations)
found = load_full_scores(snakemake.params.sources)
data = {key: scores for key, (scores, _) in found.items()}
weights = {key: make_weight_fns(weighting, schedule) for key, (_, schedule) in found.items()}
heuristics = {key: fixed["heuristic"] for key, fixed in weights.items()}

table = build_table4(data, weights, table4, snakemake.params.sizes)
table_format.write_table(table, format_table4(table, table4, absent), [output.csv, *output.rest])
table = build_transfer(data, heuristics)
table_format.write_table(table, format_transfer(table, absent), [output.transfer, *output.transfer_rest])
table = build_combined(data, heuristics)
table_format.write_table(table, format_combined(table, ablations, absent), [output.combined, *output.combined_rest])
