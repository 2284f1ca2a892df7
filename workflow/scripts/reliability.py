"""Figure 5: reliability of both confidences of one model on one data set."""

from pathlib import Path

import pandas as pd

from diffzero.reporting.figures.reliability import draw_reliability
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
wildcards = snakemake.wildcards
table, bins = (
    frame[(frame["model"] == wildcards.model) & (frame["dataset"] == wildcards.dataset)]
    for frame in (pd.read_csv(snakemake.input.table), pd.read_csv(snakemake.input.bins))
)
figure = draw_reliability(bins, table, f"{wildcards.model} on {wildcards.dataset}")
save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
