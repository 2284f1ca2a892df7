"""Calls per item, as histograms."""

from pathlib import Path

from diffzero.analysis.load import predictions
from diffzero.reporting import figures
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
figures.save(figures.calls(predictions(snakemake.params.sources)), Path(snakemake.output.svg).with_suffix(""))
