"""Confusion matrix of one model on one data set."""

from pathlib import Path

import numpy as np

from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures.confusion import draw_confusion
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
wildcards, names = snakemake.wildcards, read_json(Path(snakemake.input.prompts))["classnames"]
table = load_predictions(snakemake.params.sources)
matrix = np.zeros((len(names), len(names)), dtype=np.int64)  # [true, predicted]
np.add.at(matrix, (table["label"], table["prediction"]), 1)
figure = draw_confusion(matrix, names, f"{wildcards.model} on {wildcards.dataset}")
save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
