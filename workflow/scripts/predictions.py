"""Predictions of one scoring, replayed from its score shards."""

from pathlib import Path

import pandas as pd

from diffzero import replay, schedule
from diffzero.config import Weighting
from diffzero.experiment import policy_of
from diffzero.files import read_json, write_parquet
from diffzero.logs import log_to
from diffzero.weighting import weigh

log_to(snakemake.log[0])
noise_schedule = schedule.read(Path(read_json(Path(snakemake.input.weights))["folder"]))
scores = pd.concat([pd.read_parquet(path) for path in snakemake.input.scores], ignore_index=True)
table = replay.predictions(
    pd.read_parquet(snakemake.input.decisions),
    scores,
    policy_of(snakemake.params.scoring["policy"]),
    weigh(Weighting(**snakemake.params.weighting), noise_schedule),
)
write_parquet(table, Path(snakemake.output[0]))
