"""Table 3, from predictions."""

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.notes import BINDING_NOTE
from diffzero.reporting.tables.table3_binding import build_table3, format_table3
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
table = build_table3(load_predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted))
table_format.write_table(table, format_table3(table, [*params.absent, BINDING_NOTE]), snakemake.output)
