"""Table 3 as a picture."""

from pathlib import Path

import pandas as pd

from diffzero.reporting.figures.binding import draw_binding
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
save_figure(draw_binding(pd.read_csv(snakemake.input[0]), "all"), Path(snakemake.output.svg).with_suffix(""))
