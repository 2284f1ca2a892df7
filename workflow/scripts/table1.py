"""Table 1, from predictions and costs."""

from pathlib import Path

import pandas as pd

from diffzero import tables
from diffzero.files import read_json
from diffzero.logs import log_to
from diffzero.results import costs, notes, predictions, reported

log_to(snakemake.log[0])
table = tables.table1(
    predictions(snakemake.params.sources), costs(snakemake.input.costs), reported(pd.read_csv(snakemake.input.paper))
)
duplicates = {Path(path).parent.name: read_json(Path(path))["duplicates"] for path in snakemake.input.prompts}
markdown = tables.to_markdown(table, notes(snakemake.params.trained_on, duplicates))
tables.write(table, markdown, Path(snakemake.output.csv), Path(snakemake.output.markdown))
