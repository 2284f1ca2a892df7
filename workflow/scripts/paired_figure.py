"""The paired comparison as a picture."""

from pathlib import Path

import pandas as pd

from diffzero.reporting.figures.paired import draw_paired_comparison
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
save_figure(draw_paired_comparison(pd.read_csv(snakemake.input[0])), Path(snakemake.output.svg).with_suffix(""))
