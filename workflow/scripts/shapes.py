"""Shape accuracy and shape bias of every model, by category."""

from pathlib import Path

from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures.shape_bias import draw_shape_bias
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
output, names = snakemake.output, read_json(Path(snakemake.input.prompts))["classnames"]
table = by_category(load_predictions(snakemake.params.sources), names)
write_atomically(Path(output.categories), table.to_csv(index=False, float_format="%.6g").encode())
save_figure(draw_shape_bias(table, snakemake.wildcards.dataset), Path(output.svg).with_suffix(""))
