"""Table 2, from predictions on images that have a shape and a texture label."""

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.tables.notes import top5_notes
from diffzero.reporting.tables.table2_shape_bias import build_table2, format_table2, select_cue_datasets
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, paper = snakemake.params, pd.read_csv(snakemake.input.paper)
found = load_predictions(params.sources)
table = build_table2(found, paper, select_cue_datasets(found, pd.DataFrame(params.wanted), params.cues))
shown = found[found["dataset"].isin(table["dataset"])]
notes = [*top5_notes(shown), *params.absent] if len(table) else []
table_format.write_table(table, format_table2(table, paper, notes), snakemake.output)
