"""Table 3 as a picture."""

from pathlib import Path

import pandas as pd

from diffzero.reporting import figures
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
figures.save(figures.binding(pd.read_csv(snakemake.input[0]), "all"), Path(snakemake.output.svg).with_suffix(""))
