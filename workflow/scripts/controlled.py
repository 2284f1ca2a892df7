"""The controlled comparison: seen and held-out combinations apart, as a table and a picture."""

from pathlib import Path

import pandas as pd

from diffzero import figures, layout, tables
from diffzero.logs import log_to
from diffzero.results import BINDING_NOTE, predictions

log_to(snakemake.log[0])
params, output = snakemake.params, snakemake.output
table = tables.controlled(predictions(params.sources), pd.DataFrame(params.wanted))
layout.write(table, [tables.layout_controlled(table, [*params.absent, BINDING_NOTE])], [output.csv, *output.rest])
figures.save(figures.controlled(table), Path(output.svg).with_suffix(""))
