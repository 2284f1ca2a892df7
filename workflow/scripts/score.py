"""One shard of scores."""

from dataclasses import replace
from pathlib import Path

import torch

from diffzero.cluster.gpu_lock import own_gpu
from diffzero.config import Weighting
from diffzero.models.checkpoint import Recorded
from diffzero.scoring.inputs import Inputs
from diffzero.scoring.job import Settings, run
from diffzero.scoring.problem import read_prompts
from diffzero.scoring.shard_lock import lease
from diffzero.utils.io import write_json, write_parquet
from diffzero.utils.logging import log_to
from diffzero.utils.signals import on_sigterm
from diffzero.workflow.experiment import policy_of

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
source, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
inputs = Inputs(
    images=Path(source.images),
    items=Path(source.decisions),
    prompts=read_prompts(Path(source.prompts)),
    crops=Path(source.crops),
    x=Path(source.x),
    text=Path(source.text),
    shard=int(wildcards.shard),
    shards=int(wildcards.shards),
    first=params.scoring["first"],
)
settings = Settings(
    dataset=params.scoring["noise_of"],
    seed=int(wildcards.seed),
    unshared=params.scoring["unshared"],
    policy=policy_of(params.scoring["policy"]),
    weighting=Weighting(**(params.scoring["weighting"] or {})),
    weights=Recorded.read(Path(source.weights)),
    dtype=params.dtype,
    device=params.device,
    batch_size=params.batch_size,
    flush_calls=params.flush_calls,
    store=Path(params.store),
)
scores_file, title = Path(snakemake.output.scores), f"{wildcards.model} {wildcards.dataset} {wildcards.race}"
with on_sigterm(title) as stop, lease(scores_file.with_suffix(".lease")), own_gpu(params.device) as device:
    scores, cost = run(inputs, replace(settings, device=device), title, stop)
    write_parquet(scores, scores_file)
    write_json(cost, Path(snakemake.output.cost))
