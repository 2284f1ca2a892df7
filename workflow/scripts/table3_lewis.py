"""Table 3 on Lewis et al.'s images, from predictions."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions

log_to(snakemake.log[0])
params = snakemake.params
table = tables.table3_lewis(
    predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted)
)
layout.write(table, [tables.layout_lewis(table, params.absent)], snakemake.output)
