"""Score one shard, from its input files to its score table and its cost."""

import logging
import os
import resource
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from tqdm import tqdm

from diffzero import models
from diffzero.data.equal_prompts import (
    describe_equal_prompts,
    find_equal_prompts,
    mark_equal_prompts,
    merge_equal_prompts,
)
from diffzero.diffusion import draws
from diffzero.diffusion.weighting import Weighting, make_weight_fn
from diffzero.models import checkpoint
from diffzero.pruning.policies import Policy
from diffzero.scoring.claims import Claims
from diffzero.scoring.engine import SCORING_VERSION, Engine, ScoringStoppedError
from diffzero.scoring.inputs import ShardInputs, check_finite, check_origin, load_text
from diffzero.scoring.oom import choose_batch_size
from diffzero.scoring.problem import Problem, read_prompts, select_items, shard_slice
from diffzero.scoring.result import Progress
from diffzero.scoring.store import Store, content_key
from diffzero.utils.result_files import read_parquet
from diffzero.utils.signals import StopRequest

log = logging.getLogger(__name__)
Cost = dict[str, str | float | None]


@dataclass(frozen=True)
class ScoringSettings:
    """How a shard is scored."""

    dataset: str
    seed: int
    unshared: bool
    policy: Policy
    weighting: Weighting
    weights: checkpoint.CheckpointRecord
    dtype: str
    device: str
    batch_size: int | Literal["auto"]
    flush_every: int  # calls between two writes to the store
    store: Path


def score_shard(
    inputs: ShardInputs, settings: ScoringSettings, title: str, stop: StopRequest | None = None
) -> tuple[pd.DataFrame, Cost]:
    """Score a shard; when `stop` is requested, store all scores and exit with os.EX_TEMPFAIL.

    Returns
    -------
    scores
        The score table (ScoringResult.to_frame).
    cost
        The cost of the shard (measure_cost).

    Raises
    ------
    CheckpointError, InputError, ScoreError, StoreError
        If the weights are not the recorded ones, a file does not match, a score is not finite, or the disk is full.
    """
    start, stop = time.monotonic(), stop or StopRequest()
    checkpoint_dir = settings.weights.verified_path(settings.weights.adapter().scoring_folders())
    denoiser = models.load(checkpoint_dir, settings.dtype, settings.device)
    problem = build_problem(inputs, settings, type(denoiser))
    digests = inputs.digests(settings.weights)
    made_from = {"x": digests[inputs.x], "text": digests[inputs.text]}
    store, images = Store(settings.store, score_identity(settings, denoiser), made_from), set(problem.image_keys)
    weight = make_weight_fn(settings.weighting, denoiser.schedule)
    batch_size = choose_batch_size(settings.batch_size, denoiser.device)
    engine = Engine(denoiser, problem, settings.policy, weight, batch_size, store.read(images))
    with (
        _claims(inputs, settings, store, images) if engine.needs_calls else nullcontext() as claims,
        tqdm(total=len(problem.images), desc=title, unit="image", mininterval=1, file=sys.stderr) as bar,
    ):

        def report(progress: Progress) -> None:
            bar.set_postfix_str(f"{progress.calls / max(progress.seconds, 1e-9):.0f} calls/s", refresh=False)
            bar.update(progress.images_done - bar.n)

        stop.deferred = True
        try:
            result = engine.run(store.write, report, lambda: stop.requested, settings.flush_every, claims)
        except ScoringStoppedError:
            sys.exit(os.EX_TEMPFAIL)
    store.compact(images)
    scores = mark_equal_prompts(result.to_frame(), problem.equal_prompts)
    return scores, measure_cost(engine, settings, time.monotonic() - start, result.network_seconds)


def _claims(inputs: ShardInputs, settings: ScoringSettings, store: Store, images: set[str]) -> Claims:
    """Return the claims of this job, which needs new scores.

    Raises
    ------
    StoreError
        If the store is not writable.
    """
    store.require_writable()
    policy, position = settings.policy.model_dump(mode="json"), (inputs.shard, inputs.shards, inputs.max_images)
    token = content_key(str(inputs.x.absolute()), position, policy)
    return Claims(store.directory, token, lambda: store.read_new(images))


def build_problem(inputs: ShardInputs, settings: ScoringSettings, family: type[models.Denoiser]) -> Problem:
    """Read and check the files of a shard.

    Raises
    ------
    InputError
        If files do not match or hold values that are not finite.
    """
    check_origin(inputs, settings.weights, family)
    names, prompts = inputs.image_names(), read_prompts(inputs.prompts)
    all_crops, all_x = (inputs.open_rows(path, len(names)) for path in (inputs.crops, inputs.x))
    rows = shard_slice(len(names[: inputs.max_images]), inputs.shard, inputs.shards)
    images, crops, x = names[rows], all_crops.read(rows), all_x.read(rows)
    check_finite(x, [f"image {name}" for name in images], inputs.x, "x", "VAE")
    text = load_text(inputs.text, prompts)
    equal = find_equal_prompts(text.values())
    for line in describe_equal_prompts(prompts, equal):
        log.warning(line)
    return Problem(
        dataset=settings.dataset,
        seed=settings.seed,
        unshared=settings.unshared,
        images=images,
        # The bytes of the crop, not of x: x follows from the crop and from weights in the store's identity, and its last bits may
        # differ between devices.
        image_keys=[
            content_key(settings.dataset, name, crop.tobytes()) for name, crop in zip(images, crops, strict=True)
        ],
        x=x,
        prompts=prompts,
        prompt_keys=[content_key(prompt) for prompt in prompts],
        text=text,
        items=select_items(merge_equal_prompts(read_parquet(inputs.items), equal), images),
        # Not stored in a file like x: conditions are computed from the crop without a network, and are large at 256 pixels.
        conditions=family.encode_conditions(settings.weights.checkpoint_dir, crops),
        equal_prompts=equal,
    )


def score_identity(settings: ScoringSettings, denoiser: models.Denoiser) -> dict[str, object]:
    """Return everything that changes a score apart from image, prompt and draw: the identity of the scores' context in the store."""
    return {
        "scoring_version": SCORING_VERSION,
        "address_version": draws.NOISE_VERSION,
        "family": type(denoiser).__name__,
        "family_version": denoiser.FAMILY_VERSION,
        "weights": settings.weights.digest,
        # The image keys contain it, too. Here it separates the chunks of the data sets, so that a job does not read those of others.
        "dataset": settings.dataset,
        "dtype": settings.dtype,
        "seed": settings.seed,
        "unshared": settings.unshared,
    }


def measure_cost(engine: Engine, settings: ScoringSettings, seconds: float, network_seconds: float) -> Cost:
    """Return the cost of a shard as written to its cost file.

    Parameters
    ----------
    engine
        The engine after its run.
    settings
        The settings of the shard.
    seconds
        Duration of this job.
    network_seconds
        Network time of all scores of the shard, including those from the store.
    """
    progress, device = engine.progress, engine.denoiser.device
    is_cuda = device.type == "cuda"
    return {
        "images": progress.images,
        "calls": progress.calls,
        "reused": progress.reused,
        "seconds": round(seconds, 6),
        "network_seconds": round(network_seconds, 6),
        "calls_per_s": round(progress.calls / progress.seconds, 2) if progress.calls else None,
        "device": torch.cuda.get_device_name(device) if is_cuda else "cpu",
        "dtype": settings.dtype,
        "batch_size": engine.batch_size,
        "calls_at_once": engine.micro_batcher.size,  # less than batch_size if memory ran out
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20, 1) if is_cuda else None,
    }
