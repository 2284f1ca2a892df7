"""Compute one shard of scores."""

from dataclasses import replace
from pathlib import Path

import torch

from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.diffusion.weighting import parse_weighting
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.pruning.policies import parse_policy
from diffzero.scoring.inputs import ShardInputs
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.scoring.shard_lock import lock_shard
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digests_of, is_made_from, write_parquet, write_record
from diffzero.utils.signals import handle_sigterm

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
source, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
inputs = ShardInputs(
    images=Path(source.images),
    items=Path(source.item_table),
    prompts=Path(source.prompts),
    crops=Path(source.crops),
    x=Path(source.x),
    text=Path(source.text),
    shard=int(wildcards.shard),
    shards=int(wildcards.shards),
    max_images=params.scoring["n_images"],
)
settings = ScoringSettings(
    dataset=params.scoring["noise_dataset"],
    seed=int(wildcards.seed),
    unshared=params.scoring["unshared"],
    policy=parse_policy(params.scoring["policy"]),
    weighting=parse_weighting(params.scoring["weighting"] or {}),
    weights=CheckpointRecord.read(Path(source.weights)),
    dtype=params.dtype,
    device=params.device,
    batch_size=params.batch_size,
    flush_every=params.flush_every,
    store=Path(params.store),
)
scores_file, cost_file = Path(snakemake.output.scores), Path(snakemake.output.cost)
title = f"{wildcards.model} {wildcards.dataset} {wildcards.race}"
with handle_sigterm(title) as stop, lock_shard(scores_file.with_suffix(".lock")), reserve_gpu(params.device) as device:
    sources = inputs.digests(settings.weights)
    # Snakemake has deleted both files before this script started. If they exist, a job that held the lock before has made them, and its
    # cost is the true one.
    if not (is_made_from(scores_file, sources) and is_made_from(cost_file, digests_of([scores_file]))):
        scores, cost = score_shard(inputs, replace(settings, device=device), title, stop)
        write_parquet(scores, scores_file, sources)
        write_record(cost, cost_file, digests_of([scores_file]))
