"""When a list of jobs ends on so many GPUs: each job goes to the GPU that is free first, in order, as SLURM does with equal priorities."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """A run of jobs on `gpus` GPUs."""

    shard_calls: int
    jobs: int
    longest_s: float
    end_s: float
    busy_s: float  # of all GPUs together
    chosen: bool


def end_of(seconds: Sequence[float], shard_calls: int, gpus: int, start_seconds: float, chosen: bool = False) -> Queue:
    """The queue of jobs that work for `seconds` each after `start_seconds` of start-up."""
    if gpus < 1:
        raise ValueError(f"queue: found {gpus} GPUs, expected at least 1. Set plan.gpus in the configuration.")
    lengths = [start_seconds + length for length in seconds]
    free = [0.0] * gpus
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return Queue(shard_calls, len(lengths), max(lengths, default=0.0), max(free), sum(lengths), chosen)
