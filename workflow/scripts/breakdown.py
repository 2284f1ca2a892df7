"""How binding fails: confused shapes, and the pull of the larger object."""

from pathlib import Path

import pandas as pd

from diffzero import figures
from diffzero.breakdown import breakdown
from diffzero.files import read_json, write_atomically
from diffzero.logs import log_to
from diffzero.results import predictions

log_to(snakemake.log[0])
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
