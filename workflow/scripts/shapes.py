"""Shape accuracy and shape bias of every model, by category."""

from pathlib import Path

from diffzero import figures
from diffzero.files import read_json, write_atomically
from diffzero.logs import log_to
from diffzero.results import predictions
from diffzero.tables import by_category

log_to(snakemake.log[0])
output, names = snakemake.output, read_json(Path(snakemake.input.prompts))["classnames"]
table = by_category(predictions(snakemake.params.sources), names)
write_atomically(Path(output.categories), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.shapes(table, snakemake.wildcards.dataset), Path(output.svg).with_suffix(""))
