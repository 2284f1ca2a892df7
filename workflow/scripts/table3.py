"""Table 3, from predictions."""

from pathlib import Path

import pandas as pd

from diffzero import tables
from diffzero.logs import log_to
from diffzero.results import BINDING_NOTE, predictions

log_to(snakemake.log[0])
table = tables.table3(predictions(snakemake.params.sources), pd.read_csv(snakemake.input.paper))
markdown = tables.to_markdown(table, [BINDING_NOTE])
tables.write(table, markdown, Path(snakemake.output.csv), Path(snakemake.output.markdown))
