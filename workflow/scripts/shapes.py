"""Shape accuracy and shape bias of every model, by category."""

from pathlib import Path

from diffzero.analysis.load import predictions
from diffzero.reporting import figures
from diffzero.reporting.tables import by_category
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
output, names = snakemake.output, read_json(Path(snakemake.input.prompts))["classnames"]
table = by_category(predictions(snakemake.params.sources), names)
write_atomically(Path(output.categories), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.shapes(table, snakemake.wildcards.dataset), Path(output.svg).with_suffix(""))
