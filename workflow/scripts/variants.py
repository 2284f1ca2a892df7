"""Section 4.1 and the prompt study, from predictions on a data set and its variants."""

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.ablations import ABLATION_COLUMNS, build_ablations, format_ablations
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
wanted = pd.DataFrame(params.rows, columns=list(ABLATION_COLUMNS))
table = build_ablations(load_predictions(params.sources), wanted, paper, params.sizes)
table_format.write_table(table, format_ablations(table, paper, params.absent), snakemake.output)
