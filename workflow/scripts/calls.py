"""Calls per item, as histograms."""

from pathlib import Path

from diffzero import figures
from diffzero.logs import log_to
from diffzero.results import predictions

log_to(snakemake.log[0])
figures.save(figures.calls(predictions(snakemake.params.sources)), Path(snakemake.output.svg).with_suffix(""))
