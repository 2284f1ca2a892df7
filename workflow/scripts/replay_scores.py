"""Replay the predictions of one scoring from its score shards."""

from pathlib import Path

from diffzero.analysis.load import load_items, load_score_shards
from diffzero.diffusion import schedule
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.pruning import replay
from diffzero.pruning.policies import parse_policy
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digests_of, read_record, write_parquet

configure_logging(snakemake.log[0])
source = snakemake.input
noise_schedule = schedule.read_schedule(Path(read_record(source.weights)["folder"]))
sources, scores = digests_of([source.weights, source.item_table, *source.scores]), load_score_shards(source.scores)
table = replay.replay_items(
    load_items(source.item_table, scores),
    scores,
    parse_policy(snakemake.params.scoring["policy"]),
    make_weight_fn(parse_weighting(snakemake.params.weighting), noise_schedule),
)
write_parquet(table, Path(snakemake.output[0]), sources)
