"""Table 2, from predictions on images that have a shape and a texture label."""

import pandas as pd

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import predictions
from diffzero.tables.shapes import with_cues
from diffzero.tables.top5 import top5_notes

log_to(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
found = predictions(params.sources)
table = tables.table2(found, paper, with_cues(found, pd.DataFrame(params.wanted), params.cues))
shown = found[found["dataset"].isin(table["dataset"])]
notes = [*top5_notes(shown), *params.absent] if len(table) else []
layout.write(table, [tables.layout2(table, paper, notes)], snakemake.output)
