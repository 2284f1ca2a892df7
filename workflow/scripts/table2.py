"""Table 2, from predictions on images that have a shape and a texture label."""

import pandas as pd

from diffzero.analysis.load import predictions
from diffzero.reporting import table_format, tables
from diffzero.reporting.tables.table2_shape_bias import with_cues
from diffzero.reporting.tables.top5 import top5_notes
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
found = predictions(params.sources)
table = tables.table2(found, paper, with_cues(found, pd.DataFrame(params.wanted), params.cues))
shown = found[found["dataset"].isin(table["dataset"])]
notes = [*top5_notes(shown), *params.absent] if len(table) else []
table_format.write(table, [tables.layout2(table, paper, notes)], snakemake.output)
