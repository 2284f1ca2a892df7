"""Predict the cost of a run before anything is submitted: calls, GPU-hours, shards, disk space and the expected end.

The calls are measured on earlier runs of the same model and data set, for example a pilot of some images. Without a pilot they are
estimated from the minimum of a race (classes x min_scores), because the number of races that reach max_scores is unknown; bounds
stand beside every estimate. The speed is measured if a run used the device, else it follows from the network's FLOPs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from diffzero.workflow import resources
from diffzero.workflow.cost import read_costs
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.plan_calls import Calls, Workload, estimate_calls, plan_workload
from diffzero.workflow.plan_shards import JobLimit, QueueSchedule, remaining_calls, simulate_schedule
from diffzero.workflow.plan_speed import DEVICES, PlanError, Speed, estimate_speed
from diffzero.workflow.scoring_spec import Scoring

__all__ = ["Estimate", "Plan", "PlanError", "make_plan", "simulate_schedule"]

BYTES_PER_SCORE = 16  # 7 in the store and 8 in the shards of the demo
SHARD_FACTORS = (0.25, 0.5, 1, 2, 4)  # shard sizes to compare, as multiples of the configured one


@dataclass(frozen=True)
class Estimate:
    """The expected cost of one scoring."""

    scoring: Scoring
    work: Workload
    expected: Calls
    speed: Speed
    shards: int

    @property
    def calls(self) -> float:
        """Return the expected calls."""
        return self.expected.calls

    @property
    def hours(self) -> float:
        """Return the GPU-hours of the network; NaN if its speed is unknown."""
        return self.calls / self.speed.calls_per_s / 3600

    @property
    def most_hours(self) -> float:
        """Return the GPU-hours if no race eliminates a class before max_scores."""
        return self.work.most / self.speed.calls_per_s / 3600

    @property
    def hours_left(self) -> float:
        """Return the GPU-hours of the scores that are not in the store yet; 0 without such scores, whatever the speed."""
        left = self.calls - self.expected.stored
        return left / self.speed.calls_per_s / 3600 if left else 0.0

    def shard_seconds(self, shards: int) -> list[float]:
        """Return the network seconds of the shards that are not finished yet, if there are so many shards."""
        expected = self.expected
        parts = remaining_calls(expected.sample, self.work.images, self.calls, expected.stored, shards)
        return [float(part) / self.speed.calls_per_s for part in parts if part > 0]

    @property
    def longest_s(self) -> float:
        """Return the expected network seconds of the longest shard that is not finished yet."""
        return max(self.shard_seconds(self.shards), default=0.0)

    @property
    def most_longest_s(self) -> float:
        """Return the greatest number of network seconds of a shard; 0 if all are finished."""
        images = math.ceil(self.work.images / self.shards)
        calls = min(self.work.most, images * self.work.most_per_image)
        return calls / self.speed.calls_per_s if self.longest_s else 0.0


@dataclass(frozen=True)
class Suggestion:
    """A shard size with which jobs end within the limit."""

    key: str
    value: int
    jobs: int
    longer: int = 0  # jobs of a single image that outlast the limit nevertheless


@dataclass(frozen=True)
class Plan:
    """The estimates of all scorings and the schedules that follow from them."""

    estimates: list[Estimate]
    schedules: list[QueueSchedule]
    stored: float  # calls of this run whose scores are in the store
    disk_gb: float
    hours_outside_scoring: dict[str, float]  # GPU-hours of latents, text embeddings and baselines
    limit: JobLimit | None = None
    suggestions: Sequence[Suggestion] = ()

    def too_long(self, start_seconds: float) -> list[Estimate]:
        """Return the scorings whose longest shard is expected to outlast a job, the longest first."""
        if self.limit is None:
            return []
        usable = self.limit.work_seconds(start_seconds)
        return sorted((e for e in self.estimates if e.longest_s > usable), key=lambda e: -e.longest_s)


def estimate(experiment: Experiment, scoring: Scoring, speed: Speed) -> Estimate:
    """Estimate the cost of one scoring with a network of this speed."""
    work = plan_workload(experiment, scoring)
    return Estimate(
        scoring, work, estimate_calls(experiment, scoring, work), speed, len(experiment.score_files(scoring))
    )


def make_plan(experiment: Experiment, limit: JobLimit | None = None) -> Plan:
    """Plan a run from its configuration, the measurements below its results folder, and the time limit of the site's jobs."""
    results, device = Path(experiment.run.results), experiment.run.cost_estimate.device
    scores_dirs = sorted(results.glob("*/scores")) or [results / "none"]
    costs = pd.concat([read_costs(scores_dir) for scores_dir in scores_dirs], ignore_index=True)
    speed_of = cache(lambda model: estimate_speed(experiment, model, costs))
    estimates = [estimate(experiment, scoring, speed_of(scoring.model)) for scoring in experiment.scorings.values()]
    peak = DEVICES.get(device)  # unknown for a device that is only measured
    return Plan(
        estimates,
        schedules=_schedules(experiment, estimates),
        stored=sum(e.expected.stored for e in estimates),
        disk_gb=sum(e.calls for e in estimates) * BYTES_PER_SCORE / 1e9,
        hours_outside_scoring=resources.hours_outside_scoring(experiment, device, peak) if peak else {},
        limit=limit,
        suggestions=_suggestions(experiment, estimates, limit) if limit else (),
    )


def _resized(experiment: Experiment, **sizes: int) -> Experiment:
    """Return the run with other shard sizes."""
    return Experiment(experiment.run.model_copy(update=sizes), experiment.root)


def _job_seconds(experiment: Experiment, estimates: Sequence[Estimate]) -> list[float]:
    """Return the network seconds of the remaining jobs of a run; scorings of unknown speed are left out."""
    return [
        seconds
        for e in estimates
        if not math.isnan(e.speed.calls_per_s)
        for seconds in e.shard_seconds(experiment.shard_count(e.scoring))
    ]


def _schedules(experiment: Experiment, estimates: Sequence[Estimate]) -> list[QueueSchedule]:
    """Simulate the remaining work for the configured shard size and for smaller and larger shards."""
    run, schedules = experiment.run, []
    for factor in SHARD_FACTORS:
        sizes = {
            "max_calls_per_job": max(1, round(run.max_calls_per_job * factor)),
            "max_images_per_job": max(1, round(run.max_images_per_job * factor)),
        }
        seconds = _job_seconds(_resized(experiment, **sizes), estimates)
        gpus, start = run.cost_estimate.gpus, run.cost_estimate.start_seconds
        schedules.append(simulate_schedule(seconds, sizes["max_calls_per_job"], gpus, start, is_configured=factor == 1))
    return schedules


def _suggestions(experiment: Experiment, estimates: Sequence[Estimate], limit: JobLimit) -> list[Suggestion]:
    """Return the values of both shard sizes with which every job fits into the limit, but for single images that take longer.

    None where the mean image does not fit.
    """
    usable, run = limit.work_seconds(experiment.run.cost_estimate.start_seconds), experiment.run
    long = [e for e in estimates if e.longest_s > usable]
    found = []
    for key in ("max_calls_per_job", "max_images_per_job") if long else ():
        # The first guess fits the mean shard; the longest one needs a little less.
        images = min(usable * e.speed.calls_per_s / e.calls * e.work.images for e in long)
        calls = min(
            usable * e.speed.calls_per_s / e.calls * e.work.images * experiment.expected_calls_per_image(e.scoring)
            for e in long
        )
        value = min(calls, run.max_calls_per_job) if key == "max_calls_per_job" else min(images, run.max_images_per_job)
        mean_value, fits = value, False
        while value >= 1 and not fits and value > mean_value / 60:
            seconds = _job_seconds(_resized(experiment, **{key: _two_digits(value)}), estimates)
            fits = max(seconds, default=0.0) <= usable
            value *= 1 if fits else 0.9
        if fits:
            found.append(Suggestion(key, _two_digits(value), len(seconds)))
        elif images >= 1:
            seconds = _job_seconds(_resized(experiment, **{key: _two_digits(mean_value)}), estimates)
            longer = sum(second > usable for second in seconds)
            found.append(Suggestion(key, _two_digits(mean_value), len(seconds), longer))
    return found


def _two_digits(value: float) -> int:
    """Round down to two significant digits."""
    unit = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return int(value // unit * unit)
