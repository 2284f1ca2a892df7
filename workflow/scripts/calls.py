"""Calls per item, as histograms."""

from pathlib import Path

from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures.calls import draw_calls
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
save_figure(draw_calls(load_predictions(snakemake.params.sources)), Path(snakemake.output.svg).with_suffix(""))
