"""Table 3, from predictions."""

import pandas as pd

from diffzero.analysis.load import BINDING_NOTE, predictions
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
table = tables.table3(predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted))
table_format.write(table, tables.layouts3(table, [*params.absent, BINDING_NOTE]), snakemake.output)
