"""Predict the cost of a run before anything is submitted: calls, GPU-hours, shards, disk space and the expected end.

The calls are measured on earlier runs of the same model and data set, for example a pilot of some images. Without a pilot they are
estimated from the minimum of a race (classes x min_scores), because the number of races that reach max_scores is unknown; the plan
then states the cost if all of them do. The speed is measured if a run used the device, else it follows from the network's FLOPs.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diffzero.typing import Floats
from diffzero.utils.result_files import read_parquet
from diffzero.workflow import resources
from diffzero.workflow.cost import read_costs
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES
from diffzero.workflow.pilot import extrapolate, measured_calls
from diffzero.workflow.scoring_spec import Scoring

# Peak TFLOP/s in half precision without sparsity, from the manufacturers' data sheets; the CPU is a guess.
DEVICES = {
    "V100": 112,
    "A100": 312,
    "L40S": 362,
    "H100": 989,
    "H200": 989,
    "RTX 4090": 165,
    "cpu": resources.CPU_TFLOPS,
}
BYTES_PER_SCORE = 16  # 7 in the store and 8 in the shards of the demo
NO_PILOT = "the floor: no pilot"
SHARD_FACTORS = (0.25, 0.5, 1, 2, 4)  # shard sizes to compare, as multiples of the configured one


class PlanError(ValueError):
    """The plan cannot be made; the message says which command to run."""


@dataclass(frozen=True)
class Calls:
    """The expected calls of one scoring."""

    calls: float
    stored: float  # calls whose scores are in the store, made by this run or another
    standard_error: float  # of `calls`, from the variation between the measured images; NaN without a pilot
    reached_max_scores: float  # expected share of races that reach max_scores; NaN without a measurement
    source: str
    sample: Floats  # calls per image [measured or simulated image]


@dataclass(frozen=True)
class Estimate:
    """The expected cost of one scoring."""

    model: str
    dataset: str
    seed: int
    race: str
    images: int
    races: int  # one per image; for scenes, one per task and example
    classes: int  # per race
    floor: float  # calls of the cheapest possible races
    most: float  # calls if no race eliminates a class
    expected: Calls
    calls_per_s: float
    speed_source: str
    shards: int

    @property
    def calls(self) -> float:
        """Return the expected calls."""
        return self.expected.calls

    @property
    def remaining_calls(self) -> float:
        """Return the expected calls whose scores are not in the store yet."""
        return self.expected.calls - self.expected.stored

    @property
    def hours(self) -> float:
        """Return the GPU-hours of the network."""
        return self.calls / self.calls_per_s / 3600

    @property
    def hours_left(self) -> float:
        """Return the GPU-hours of the scores that are not in the store yet."""
        return self.remaining_calls / self.calls_per_s / 3600


@dataclass(frozen=True)
class QueueSchedule:
    """The simulated schedule of the remaining jobs for one shard size."""

    max_calls_per_job: int
    jobs: int
    longest_s: float
    end_s: float
    busy_s: float  # summed over all GPUs
    is_configured: bool  # whether this is the shard size of the configuration


@dataclass(frozen=True)
class Plan:
    """The estimates of all scorings and the schedules that follow from them."""

    estimates: list[Estimate]
    schedules: list[QueueSchedule]
    stored: float  # calls of this run whose scores are in the store
    disk_gb: float
    hours_outside_scoring: dict[str, float]  # GPU-hours of latents, text embeddings and baselines


def simulate_schedule(
    seconds: Sequence[float], max_calls_per_job: int, gpus: int, start_seconds: float, is_configured: bool = False
) -> QueueSchedule:
    """Assign each job in order to the GPU that is free first, as SLURM does with equal priorities.

    Parameters
    ----------
    seconds : sequence of float
        Run times of the jobs.
    max_calls_per_job : int
        Shard size that the jobs have; only recorded.
    gpus : int
        Number of GPUs that work at the same time.
    start_seconds : float
        Time that each job takes to start.
    is_configured : bool
        Whether the shard size is the configured one; only recorded.

    Raises
    ------
    ValueError
        If `gpus` is less than 1.
    """
    if gpus < 1:
        raise ValueError(f"plan: found {gpus} GPUs, expected at least 1. Set cost_estimate.gpus in the configuration.")
    lengths = [start_seconds + length for length in seconds]
    free = [0.0] * gpus
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return QueueSchedule(
        max_calls_per_job, len(lengths), max(lengths, default=0.0), max(free), sum(lengths), is_configured
    )


def estimate_calls(experiment: Experiment, scoring: Scoring, images: int, races: int) -> Calls:
    """Estimate the calls of a scoring of so many images and races, from a pilot where there is one."""
    policy, classes = scoring.policy, experiment.class_count(scoring.dataset)
    prior = policy.expected_calls(classes) * races
    least, most = policy.call_bounds(classes)
    measured = measured_calls(Path(experiment.run.results), scoring)
    stored = float(measured.loc[measured["own"].astype(bool), "calls"].sum())
    if least == most:
        return Calls(prior, min(stored, prior), 0.0, float("nan"), "the policy", np.array([prior / images]))
    if measured.empty:
        floor = races * least
        # The draws above the floor are waiting times of independent decisions: exponentially distributed.
        sample = (floor + np.random.default_rng(0).exponential(max(prior - floor, 1), 1000)) / images
        return Calls(prior, 0.0, float("nan"), float("nan"), NO_PILOT, sample)
    sample = extrapolate(measured, policy)
    # The calls of scored images are known: a pilot that is part of the run adds nothing to the error.
    known = min(len(sample), images)
    error = sample.std(ddof=1) / np.sqrt(len(sample)) * (images - known) if len(sample) > 1 else float("nan")
    calls = float(images * sample.mean())
    reached = float(measured["reached_max_scores"].mean())
    return Calls(calls, min(stored, calls), float(error), reached, f"{len(sample)} images measured", sample)


def estimate_speed(experiment: Experiment, model: str, costs: pd.DataFrame) -> tuple[float, str]:
    """Return the calls per second of a model on the planned device, and the source of the number.

    `costs` is from `read_costs`. Raises PlanError for a device that is neither measured nor among DEVICES.
    """
    device, utilization = experiment.run.cost_estimate.device, experiment.run.cost_estimate.utilization
    rows = costs[(costs["model"] == model) & costs["device"].str.contains(device, case=False, regex=False)]
    if rows["network_seconds"].sum() > 0:
        calls = (rows["calls"] + rows["reused"]).sum()
        return calls / rows["network_seconds"].sum(), f"{int(calls):,} calls measured on {rows['device'].iloc[0]}"
    if device not in DEVICES:
        raise PlanError(
            f"cost_estimate.device: found '{device}', on which {model} has not been measured, expected a device of a run below "
            f"'{experiment.run.results}' or one of {', '.join(DEVICES)}. Run a pilot on it, or change the configuration."
        )
    settings = experiment.model(model)
    speed = resources.calls_per_second(settings, DEVICES[device], utilization)
    gflops = f"{settings.gflops:g}" if settings.gflops else f"an assumed {resources.UNKNOWN_GFLOPS:g}"
    return speed, f"{gflops} GFLOPs per call, {utilization:.0%} of {DEVICES[device]:g} TFLOP/s"


def count_images(experiment: Experiment, scoring: Scoring) -> int:
    """Return the number of images of a scoring if its data are prepared, else the number that the configuration allows."""
    table = Path(experiment.run_dir) / "data" / scoring.dataset / "items.parquet"
    bound = experiment.max_image_count(scoring)
    if table.is_file():
        return min(bound, read_parquet(table, columns=["image"])["image"].nunique())
    # Tasks with Size use about every second scene, so they need twice as many scenes as the other tasks.
    binding = experiment.run.attribute_binding
    if scoring.dataset == SCENES and binding and binding.examples_per_task:
        return math.ceil(1.5 * binding.examples_per_task)
    return bound


def estimate(experiment: Experiment, scoring: Scoring, costs: pd.DataFrame) -> Estimate:
    """Estimate the cost of one scoring. `costs` is from `read_costs`, of all runs."""
    images, classes = count_images(experiment, scoring), experiment.class_count(scoring.dataset)
    races = experiment.race_count(scoring, images)
    floor, most = (races * bound for bound in scoring.policy.call_bounds(classes))
    speed, source = estimate_speed(experiment, scoring.model, costs)
    return Estimate(
        model=scoring.model,
        dataset=scoring.dataset,
        seed=scoring.seed,
        race=scoring.slug,
        images=images,
        races=races,
        classes=classes,
        floor=floor,
        most=most,
        expected=estimate_calls(experiment, scoring, images, races),
        calls_per_s=speed,
        speed_source=source,
        shards=len(experiment.score_files(scoring)),
    )


def make_plan(experiment: Experiment) -> Plan:
    """Plan a run from its configuration and the measurements below its results folder."""
    results, device = Path(experiment.run.results), experiment.run.cost_estimate.device
    scores_dirs = sorted(results.glob("*/scores")) or [results / "none"]
    costs = pd.concat([read_costs(scores_dir) for scores_dir in scores_dirs], ignore_index=True)
    estimates = [estimate(experiment, scoring, costs) for scoring in experiment.scorings.values()]
    peak = DEVICES.get(device)  # unknown for a device that is only measured
    return Plan(
        estimates,
        schedules=_schedules(experiment, estimates),
        stored=sum(e.expected.stored for e in estimates),
        disk_gb=sum(e.calls for e in estimates) * BYTES_PER_SCORE / 1e9,
        hours_outside_scoring=resources.hours_outside_scoring(experiment, device, peak) if peak else {},
    )


def _schedules(experiment: Experiment, estimates: Sequence[Estimate]) -> list[QueueSchedule]:
    """Simulate the remaining work for the configured shard size and for smaller and larger shards."""
    run, schedules = experiment.run, []
    for factor in SHARD_FACTORS:
        sizes = {
            "max_calls_per_job": max(1, round(run.max_calls_per_job * factor)),
            "max_images_per_job": max(1, round(run.max_images_per_job * factor)),
        }
        changed = Experiment(run.model_copy(update=sizes), experiment.root)
        # The same sample of images for every size, so that the schedules differ in the shard size alone.
        rng, seconds = np.random.default_rng(1), []
        for scoring, e in zip(experiment.scorings.values(), estimates, strict=True):
            calls = rng.choice(e.expected.sample, e.images)
            calls *= e.remaining_calls / max(calls.sum(), 1)
            parts = np.array_split(calls, changed.shard_count(scoring))
            seconds += [part.sum() / e.calls_per_s for part in parts if part.sum() > 0]
        gpus, start = run.cost_estimate.gpus, run.cost_estimate.start_seconds
        schedules.append(simulate_schedule(seconds, sizes["max_calls_per_job"], gpus, start, is_configured=factor == 1))
    return schedules
