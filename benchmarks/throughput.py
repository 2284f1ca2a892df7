"""Calls per second of a network alone and under the engine, on any device."""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from workload import Workload

from diffzero.scoring.engine import Engine
from diffzero.scoring.oom import choose_batch_size, is_out_of_memory
from diffzero.scoring.store import Store

# Candidates for the best batch size of a device, including the engine's own choice.
BATCH_SIZES = {"cpu": (8, 16, 32, 64, 128, 256), "cuda": (8, 16, 32, 64, 128, 256, 512)}
LEAST_ROUNDS = 3


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished its work; calls on a GPU return before that."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bare_throughput(work: Workload, batch: int, calls: int) -> float:
    """Return calls per second of the network alone, over at least `calls` calls, with prepared inputs and unused outputs."""
    x_t, t, text = work.network_inputs(batch)
    rounds = max(LEAST_ROUNDS, calls // batch)
    with torch.inference_mode():
        work.denoiser.x0(x_t, t, text)
        wait_for(work.denoiser.device)
        start = time.perf_counter()
        for _ in range(rounds):
            work.denoiser.x0(x_t, t, text)
        wait_for(work.denoiser.device)
        return rounds * batch / (time.perf_counter() - start)


def peak_mb(device: torch.device) -> float:
    """Return the peak memory: on a GPU since its statistics were reset, on a CPU since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def by_batch_size(work: Workload, calls: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return calls per second and peak memory (MB) of the bare network per batch size, up to the largest that fits."""
    device, speed, memory = work.denoiser.device, {}, {}
    for batch in BATCH_SIZES[device.type]:
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        try:
            speed[batch] = bare_throughput(work, batch, calls)
        except RuntimeError as error:
            if not speed or not is_out_of_memory(error):
                raise
            break
        memory[batch] = peak_mb(device)
    return speed, memory


def engine_run(work: Workload, batch: int) -> tuple[float, int, float]:
    """Return seconds (including writing to a store), calls and accuracy of the engine."""
    with tempfile.TemporaryDirectory() as store_dir:
        store = Store(Path(store_dir), {"benchmark": work.problem.dataset})
        engine = Engine(work.denoiser, work.problem, work.policy, work.weight, batch)
        start = time.perf_counter()
        result = engine.run(store.write)
        return time.perf_counter() - start, engine.progress.calls, work.accuracy(result.outcomes)


def useful_fraction(work: Workload, turns: int, calls: int, prefix: str = "") -> dict:
    """Compare calls per second of the engine with the bare network's at its best batch size, in alternating runs.

    `calls` is the number of calls per measurement of the bare network.
    """
    speed, memory = by_batch_size(work, calls // 4)
    best = max(speed, key=speed.get)
    ratios = []
    for _ in range(turns):
        before = bare_throughput(work, best, calls)
        seconds, made, _ = engine_run(work, choose_batch_size("auto", work.denoiser.device))
        after = bare_throughput(work, best, calls)
        ratios.append(made / seconds / ((before + after) / 2))
    found = {
        "useful_fraction": float(np.median(ratios)),
        "bare_calls_per_s": speed,
        "peak_memory_mb": memory,
        "best_batch": best,
    }
    return {f"{prefix}{name}": value for name, value in (found | {"turns": ratios}).items()}
