"""Calibration of both confidences: the table of ECE, and the bins of the reliability diagrams."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.confidences import calibrate
from diffzero.analysis.load import fixed_weights, unpruned
from diffzero.config import Policy, Weighting
from diffzero.reporting import table_format, tables
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import race_policy

configure_logging(snakemake.log[0])
params, weighting = snakemake.params, Weighting(**snakemake.params.weighting)
policy = race_policy(Policy(**params.policy))
data = {
    key: (matrices, fixed_weights(weighting, schedule)[weighting.kind])
    for key, (matrices, schedule) in unpruned(params.sources).items()
}
table, bins = calibrate(data, policy)
paper = pd.read_csv(snakemake.input.paper)
written = [snakemake.output.csv, *snakemake.output.rest]
table_format.write(table, [tables.layout_calibration(table, paper, params.absent)], written)
write_atomically(Path(snakemake.output.bins), bins.to_csv(index=False, float_format="%.6g").encode())
