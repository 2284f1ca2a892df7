"""The controlled comparison: seen and held-out combinations apart, as a table and a picture."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.load import load_predictions
from diffzero.reporting import table_format
from diffzero.reporting.figures.controlled import draw_controlled
from diffzero.reporting.figures.style import save_figure
from diffzero.reporting.tables.notes import BINDING_NOTE
from diffzero.reporting.tables.table3_controlled import build_controlled, format_controlled
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, output = snakemake.params, snakemake.output
table = build_controlled(load_predictions(params.sources), pd.DataFrame(params.wanted))
table_format.write_table(table, format_controlled(table, [*params.absent, BINDING_NOTE]), [output.csv, *output.rest])
save_figure(draw_controlled(table), Path(output.svg).with_suffix(""))
