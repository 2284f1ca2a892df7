"""Section 4.1 and the prompt study, from predictions on a data set and its variants."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions
from diffzero.tables.studies import WANTED_COLUMNS

log_to(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
wanted = pd.DataFrame(params.rows, columns=WANTED_COLUMNS)
table = tables.variants(predictions(params.sources), wanted, paper, params.sizes)
layout.write(table, tables.layouts_variants(table, paper, params.absent), snakemake.output)
