"""Confusion matrix of one model on one data set."""

from pathlib import Path

import numpy as np

from diffzero.analysis.load import predictions
from diffzero.reporting import figures
from diffzero.utils.io import read_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
wildcards, names = snakemake.wildcards, read_json(Path(snakemake.input.prompts))["classnames"]
table = predictions(snakemake.params.sources)
matrix = np.zeros((len(names), len(names)), dtype=np.int64)  # [true, predicted]
np.add.at(matrix, (table["label"], table["prediction"]), 1)
figure = figures.confusion(matrix, names, f"{wildcards.model} on {wildcards.dataset}")
figures.save(figure, Path(snakemake.output.svg).with_suffix(""))
