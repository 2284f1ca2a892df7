"""The controlled comparison: seen and held-out combinations apart, as a table and a picture."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.load import BINDING_NOTE, predictions
from diffzero.reporting import figures, table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, output = snakemake.params, snakemake.output
table = tables.controlled(predictions(params.sources), pd.DataFrame(params.wanted))
table_format.write(table, [tables.layout_controlled(table, [*params.absent, BINDING_NOTE])], [output.csv, *output.rest])
figures.save(figures.controlled(table), Path(output.svg).with_suffix(""))
