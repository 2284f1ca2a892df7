"""How binding fails: confused shapes, and the pull of the larger object."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.binding_errors import summarise_binding_errors
from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures.binding_errors import draw_binding_errors
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, output = snakemake.input, snakemake.output
data = {
    "items": pd.read_parquet(source.decisions),
    "prompts": read_json(Path(source.prompts))["prompts"],
    "scenes": pd.read_parquet(source.scenes).drop(columns="bytes"),
}
shapes, larger = summarise_binding_errors(load_predictions(snakemake.params.sources), **data)
for table, path in ((shapes, output.shapes), (larger, output.larger)):
    write_atomically(Path(path), table.to_csv(index=False, float_format="%.6g").encode())
save_figure(draw_binding_errors(shapes, larger), Path(output.svg).with_suffix(""))
