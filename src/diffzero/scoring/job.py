"""One scoring job: a shard of a scoring, from its input files to its score table and what it cost."""

import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from tqdm import tqdm

from diffzero import models
from diffzero.diffusion import draws
from diffzero.diffusion.weighting import Weighting, make_weight_fn
from diffzero.models import checkpoint
from diffzero.pruning.policies import Policy
from diffzero.scoring.engine import SCORING_VERSION, Engine, Progress, ScoringStoppedError
from diffzero.scoring.inputs import ShardInputs, read_text, require_finite
from diffzero.scoring.oom import choose_batch_size
from diffzero.scoring.problem import Problem, select_items, shard_slice
from diffzero.scoring.store import Store, content_key
from diffzero.utils.signals import StopRequest


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
    flush_calls: int
    store: Path


def build_problem(inputs: ShardInputs, settings: ScoringSettings, family: type[models.Denoiser]) -> Problem:
    """The shard as the engine sees it. Raises InputError for files that do not belong together."""
    everyone = inputs.names()
    crops, x = inputs.rows(inputs.crops, everyone), inputs.rows(inputs.x, everyone)
    rows = shard_slice(len(everyone[: inputs.first]), inputs.shard, inputs.shards)
    mine, prompts, x = everyone[rows], inputs.prompts, x[rows].copy()
    require_finite(x, [f"image {name}" for name in mine], str(inputs.x), "VAE")
    return Problem(
        dataset=settings.dataset,
        seed=settings.seed,
        unshared=settings.unshared,
        images=mine,
        # The crop's bytes, not x: x is a function of the crop and of weights that the store's identity names, and its
        # last bits may differ between devices.
        image_keys=[
            content_key(settings.dataset, n, crop.tobytes()) for n, crop in zip(mine, crops[rows], strict=True)
        ],
        x=x,
        prompts=prompts,
        prompt_keys=[content_key(prompt) for prompt in prompts],
        text=read_text(inputs.text, prompts),
        items=select_items(pd.read_parquet(inputs.items), mine),
        # Not a file of the latents' rule: a function of the crop that takes no network, and large at 256 pixels.
        conditions=family.encode_conditions(settings.weights.folder, crops[rows]),
    )


def score_identity(settings: ScoringSettings, denoiser: models.Denoiser) -> dict[str, object]:
    """All that changes a score apart from image, prompt and draw (design, contract 4)."""
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


def score_shard(
    inputs: ShardInputs, settings: ScoringSettings, title: str, stop: StopRequest | None = None
) -> tuple[pd.DataFrame, dict]:
    """The shard's scores (columns image, draw, prompt, t, score) and its cost.

    When `stop` is asked for, everything scored goes to the store and the process exits with EX_TEMPFAIL. Raises CheckpointError where
    the weights are no longer those on record, InputError, ScoreError and StoreError.
    """
    start, stop = time.monotonic(), stop or StopRequest()
    folder = settings.weights.verified_path(settings.weights.adapter().scoring_folders())
    denoiser = models.load(folder, settings.dtype, settings.device)
    problem, store = (
        build_problem(inputs, settings, type(denoiser)),
        Store(settings.store, score_identity(settings, denoiser)),
    )
    engine = Engine(
        denoiser,
        problem,
        settings.policy,
        make_weight_fn(settings.weighting, denoiser.schedule),
        choose_batch_size(settings.batch_size, denoiser.device),
        store.read(set(problem.image_keys)),
    )
    with tqdm(total=len(problem.images), desc=title, unit="image", mininterval=1, file=sys.stderr) as bar:

        def report(progress: Progress) -> None:
            bar.set_postfix_str(f"{progress.calls / max(progress.seconds, 1e-9):.0f} calls/s", refresh=False)
            bar.update(progress.images_done - bar.n)

        stop.deferred = True
        try:
            result = engine.run(store.write, report, lambda: stop.requested, settings.flush_calls)
        except ScoringStoppedError:
            sys.exit(os.EX_TEMPFAIL)
    store.compact(set(problem.image_keys))
    spent = {"seconds": time.monotonic() - start, "network_seconds": result.seconds}
    return result.to_frame(), cost(engine, settings, spent)


def cost(engine: Engine, settings: ScoringSettings, spent: dict[str, float]) -> dict:
    """What the shard cost: calls made now, scores reused, device, peak memory (MB), and the seconds `spent`.

    `seconds` are this job's; `network_seconds` those of all the shard's scores, whenever they were taken.
    """
    progress, device = engine.progress, engine.denoiser.device
    cuda = device.type == "cuda"
    return {
        "images": progress.images,
        "calls": progress.calls,
        "reused": progress.reused,
        **{name: round(value, 6) for name, value in spent.items()},
        "calls_per_s": round(progress.calls / progress.seconds, 2) if progress.calls else None,
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "dtype": settings.dtype,
        "batch_size": engine.batch_size,
        "calls_at_once": engine.micro_batcher.size,  # less than batch_size where memory ran out
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20, 1) if cuda else None,
    }
