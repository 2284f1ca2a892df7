"""Table 1, from predictions and costs."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.load import load_costs, load_predictions, match_reported_models
from diffzero.reporting import table_format
from diffzero.reporting.tables.notes import dataset_notes, top5_notes
from diffzero.reporting.tables.table1_accuracy import build_table1, format_table1
from diffzero.utils.io import read_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
found, paper = load_predictions(params.sources), match_reported_models(pd.read_csv(snakemake.input.paper))
table = build_table1(found, load_costs(snakemake.input.costs), paper, pd.DataFrame(params.wanted), params.sizes)
duplicates = {Path(path).parent.name: read_json(Path(path))["duplicates"] for path in snakemake.input.prompts}
remarks = [*top5_notes(found), *params.absent, *dataset_notes(params.seen_by_models, duplicates)]
table_format.write_table(table, format_table1(table, remarks, paper), snakemake.output)
