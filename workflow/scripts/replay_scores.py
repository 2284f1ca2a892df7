"""Replay the predictions of one scoring from its score shards."""

from pathlib import Path

import pandas as pd

from diffzero.data.equal_prompts import concat_scores, scored_items
from diffzero.diffusion import schedule
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.pruning import replay
from diffzero.pruning.policies import parse_policy
from diffzero.utils.io import read_json, write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
noise_schedule = schedule.read_schedule(Path(read_json(Path(snakemake.input.weights))["folder"]))
scores = concat_scores([pd.read_parquet(path) for path in snakemake.input.scores])
table = replay.replay_items(
    scored_items(pd.read_parquet(snakemake.input.item_table), scores),
    scores,
    parse_policy(snakemake.params.scoring["policy"]),
    make_weight_fn(parse_weighting(snakemake.params.weighting), noise_schedule),
)
write_parquet(table, Path(snakemake.output[0]))
