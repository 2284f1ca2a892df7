"""The contact sheet of the first scenes."""

from pathlib import Path

import pandas as pd

from diffzero.reporting.figures.scenes import draw_scenes
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = pd.read_parquet(snakemake.input[0]).head(snakemake.params.first)
save_figure(draw_scenes(table), Path(snakemake.output.svg).with_suffix(""))
