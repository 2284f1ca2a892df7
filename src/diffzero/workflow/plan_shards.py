"""The jobs of a plan: the work of each shard, the time limit of the site, and the simulated queue."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from diffzero.typing import Floats

SIGNAL_SECONDS = 60  # before the time limit, in slurm/config.yaml: the job then stores its scores


@dataclass(frozen=True)
class JobLimit:
    """The time limit of a score job.

    Attributes
    ----------
    minutes
        The limit.
    source
        Where it comes from.
    retries
        How often a job that reached the limit is submitted again.
    notes
        What is unknown about the site.
    """

    minutes: int
    source: str
    retries: int = 3
    notes: Sequence[str] = field(default=())

    def work_seconds(self, start_seconds: float) -> float:
        """Return the seconds that a job computes, between its start and SLURM's signal."""
        return 60.0 * self.minutes - SIGNAL_SECONDS - start_seconds

    def continuations(self, seconds: float, start_seconds: float) -> float:
        """Return how often a shard with so many seconds of work is continued after it reached the limit."""
        usable = self.work_seconds(start_seconds)
        if seconds == 0:
            return 0
        return max(0, math.ceil(seconds / usable - 1e-9) - 1) if usable > 0 else math.inf


@dataclass(frozen=True)
class QueueSchedule:
    """The simulated schedule of the remaining jobs for one shard size."""

    max_calls_per_job: int
    jobs: int
    longest_s: float
    end_s: float
    busy_s: float  # summed over all GPUs
    is_configured: bool  # whether this is the shard size of the configuration


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


def remaining_calls(sample: Floats, images: int, calls: float, stored: float, shards: int) -> Floats:
    """Return the calls of each shard that are not in the store [shard].

    Parameters
    ----------
    sample
        Calls per image [measured or simulated image], from which the images are drawn: always the same ones.
    images, calls, stored
        Images of the scoring, its expected calls, and those in the store. Shards run in order, so the first ones are stored.
    shards
        Number of shards.
    """
    drawn = np.random.default_rng(1).choice(sample, images)
    drawn *= calls / max(drawn.sum(), 1)
    parts = np.array([part.sum() for part in np.array_split(drawn, shards)])
    remaining: Floats = parts - np.clip(stored - (np.cumsum(parts) - parts), 0, parts)
    return np.where(remaining < 1e-9 * max(calls, 1), 0, remaining)
