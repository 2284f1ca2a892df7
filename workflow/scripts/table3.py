"""Table 3, from predictions."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import BINDING_NOTE, predictions

log_to(snakemake.log[0])
params = snakemake.params
table = tables.table3(predictions(params.sources), pd.read_csv(snakemake.input.paper), pd.DataFrame(params.wanted))
layout.write(table, tables.layouts3(table, [*params.absent, BINDING_NOTE]), snakemake.output)
