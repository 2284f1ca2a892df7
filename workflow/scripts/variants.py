"""Section 4.1 and the prompt study, from predictions on a data set and its variants."""

import pandas as pd

from diffzero.analysis.load import predictions
from diffzero.reporting import table_format, tables
from diffzero.reporting.tables.studies import WANTED_COLUMNS
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
wanted = pd.DataFrame(params.rows, columns=WANTED_COLUMNS)
table = tables.variants(predictions(params.sources), wanted, paper, params.sizes)
table_format.write(table, tables.layouts_variants(table, paper, params.absent), snakemake.output)
