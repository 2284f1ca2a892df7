"""Table 2, from predictions on images that have a shape and a texture label."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions
from diffzero.tables.shapes import with_cues

log_to(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
found = predictions(params.sources)
table = tables.table2(found, paper, with_cues(found, pd.DataFrame(params.wanted), params.cues))
layout.write(table, [tables.layout2(table, paper, params.absent if len(table) else [])], snakemake.output)
