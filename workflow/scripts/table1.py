"""Table 1, from predictions and costs."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.load import costs, notes, predictions, reported
from diffzero.reporting import table_format, tables
from diffzero.reporting.tables.top5 import top5_notes
from diffzero.utils.io import read_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
found, paper = predictions(params.sources), reported(pd.read_csv(snakemake.input.paper))
table = tables.table1(found, costs(snakemake.input.costs), paper, pd.DataFrame(params.wanted), params.sizes)
duplicates = {Path(path).parent.name: read_json(Path(path))["duplicates"] for path in snakemake.input.prompts}
remarks = [*top5_notes(found), *params.absent, *notes(params.seen_by_models, duplicates)]
table_format.write(table, [tables.layout1(table, remarks, paper)], snakemake.output)
