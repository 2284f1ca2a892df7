"""How binding fails: confused shapes, and the pull of the larger object."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.binding_errors import breakdown
from diffzero.analysis.load import predictions
from diffzero.reporting import figures
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, output = snakemake.input, snakemake.output
data = {
    "items": pd.read_parquet(source.decisions),
    "prompts": read_json(Path(source.prompts))["prompts"],
    "scenes": pd.read_parquet(source.scenes).drop(columns="bytes"),
}
shapes, larger = breakdown(predictions(snakemake.params.sources), data)
for table, path in ((shapes, output.shapes), (larger, output.larger)):
    write_atomically(Path(path), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.breakdown(shapes, larger), Path(output.svg).with_suffix(""))
