"""Table 3 on Lewis et al.'s images, from predictions."""

import pandas as pd

from diffzero.analysis.load import predictions
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
table = tables.table3_lewis(
    predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted)
)
table_format.write(table, [tables.layout_lewis(table, params.absent)], snakemake.output)
