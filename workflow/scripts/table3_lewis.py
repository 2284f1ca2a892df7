"""Table 3 on Lewis et al.'s images, from predictions."""

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.table3_lewis import build_table3_lewis, format_table3_lewis
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
table = build_table3_lewis(
    load_predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted)
)
table_format.write_table(table, format_table3_lewis(table, params.absent), snakemake.output)
