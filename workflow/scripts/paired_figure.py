"""The paired comparison as a picture."""

from pathlib import Path

import pandas as pd

from diffzero.reporting import figures
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
figures.save(figures.paired(pd.read_csv(snakemake.input[0])), Path(snakemake.output.svg).with_suffix(""))
