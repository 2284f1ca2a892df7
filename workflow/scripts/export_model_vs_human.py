"""Export one model's decisions on cue-conflict images in the format of model-vs-human."""

from pathlib import Path

from diffzero.analysis.load import load_predictions
from diffzero.reporting.model_vs_human import to_model_vs_human
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import read_record

configure_logging(snakemake.log[0])
names = read_record(snakemake.input.prompts)["classnames"]
table = to_model_vs_human(load_predictions(snakemake.params.sources), names, int(snakemake.wildcards.session))
write_atomically(Path(snakemake.output[0]), table.to_csv(index=False, lineterminator="\n").encode())
