"""Calibration of both confidences: the table of ECE, and the bins of the reliability diagrams."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.calibration import calibrate
from diffzero.analysis.load import load_full_scores
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.pruning.policies import parse_policy
from diffzero.reporting import table_format
from diffzero.reporting.tables.calibration import format_calibration
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params, weighting = snakemake.params, parse_weighting(snakemake.params.weighting)
policy = parse_policy(params.policy)
data = {
    key: (matrices, make_weight_fn(weighting, schedule))
    for key, (matrices, schedule) in load_full_scores(params.sources).items()
}
table, bins = calibrate(data, policy)
paper = pd.read_csv(snakemake.input.paper)
written = [snakemake.output.csv, *snakemake.output.rest]
table_format.write_table(table, format_calibration(table, paper, params.absent), written)
write_atomically(Path(snakemake.output.bins), bins.to_csv(index=False, float_format="%.6g").encode())
