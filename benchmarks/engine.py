"""The scoring engine's speed, as ratios measured side by side in one run: `make benchmark`.

Every ratio compares two ways of doing the same work, taken in turn on the same machine; the median of the turns is printed and
written to results/benchmarks/engine.json. Absolute numbers are printed too, for orientation, and hold for this machine alone.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np
import torch
from contenders import Bookkeeping, literal, stages
from numpy.typing import NDArray
from reuse import reuse_speedup
from workload import Workload, bookkeeping_problem, item_table

from diffzero import denoisers
from diffzero.files import write_json
from diffzero.memory import batch_size
from diffzero.race import TTest
from diffzero.replay import predictions
from diffzero.scoring import Engine

BATCH_SIZES = (8, 16, 32, 64, 128, 256)


def bare_throughput(work: Workload, batch: int, calls: int) -> float:
    """Calls a second of the network alone: inputs ready, outputs dropped."""
    x_t, t, text = work.network_inputs(batch)
    with torch.inference_mode():
        work.denoiser.x0(x_t, t, text)
        start = time.perf_counter()
        for _ in range(calls // batch):
            work.denoiser.x0(x_t, t, text)
        return calls // batch * batch / (time.perf_counter() - start)


def engine_run(work: Workload, batch: int) -> tuple[float, int, float]:
    """Seconds, calls and accuracy of the engine."""
    engine = Engine(work.denoiser, work.problem, work.policy, work.weight, batch)
    start = time.perf_counter()
    result = engine.run(lambda scores: None)
    return time.perf_counter() - start, engine.progress.calls, work.accuracy(result.outcomes)


def useful_fraction(work: Workload, turns: int) -> dict:
    """Engine's calls a second over the bare network's at its best batch size, in turns."""
    bare = {batch: bare_throughput(work, batch, 512) for batch in BATCH_SIZES}
    best = max(bare, key=bare.get)
    ratios = []
    for _ in range(turns):
        before = bare_throughput(work, best, 2048)
        seconds, calls, _ = engine_run(work, batch_size("auto", work.denoiser.device))
        after = bare_throughput(work, best, 2048)
        ratios.append(calls / seconds / ((before + after) / 2))
    return {"useful_fraction": float(np.median(ratios)), "bare_calls_per_s": bare, "best_batch": best, "turns": ratios}


def speedups(work: Workload, turns: int) -> dict:
    """Images a second of the engine over a literal Algorithm 1 and over fixed stages at batch 32, both image by image."""
    contenders = {"literal": literal, "literal_batched": functools.partial(literal, batched=True), "stages": stages}
    found: dict[str, list[float]] = {name: [] for name in ("engine", *contenders)}
    accuracy, calls = {}, {}
    for _ in range(turns):
        seconds, calls["engine"], accuracy["engine"] = engine_run(work, batch_size("auto", work.denoiser.device))
        found["engine"].append(seconds)
        for name, contender in contenders.items():
            start = time.perf_counter()
            outcome = contender(work)
            found[name].append(time.perf_counter() - start)
            calls[name], accuracy[name] = outcome.calls, outcome.accuracy
    ratio = {f"speedup_{name}": float(np.median(np.array(found[name]) / found["engine"])) for name in contenders}
    return ratio | {"seconds": found, "accuracy": accuracy, "calls": calls, "images": len(work.problem.images)}


def bookkeeping(turns: int) -> dict:
    """Scores a second of everything but the network (K = 1000, 64 images, a denoiser that costs nothing), and of replaying them."""
    problem, policy, live, replayed = bookkeeping_problem(64, 1000), TTest(20, 60, 2e-3), [], []
    items = item_table(problem)
    for _ in range(turns):
        engine = Engine(Bookkeeping(), problem, policy, decay, 4096)
        start = time.perf_counter()
        result = engine.run(
            lambda scores: None, flush_calls=8 * 4096
        )  # per batch as often as on a GPU, where 512 make one
        live.append(engine.progress.calls / (time.perf_counter() - start))
        scores = result.frame()
        start = time.perf_counter()
        predictions(items, scores, policy, decay)
        replayed.append(len(scores) / (time.perf_counter() - start))
    rates = {"bookkeeping_scores_per_s": live, "replay_scores_per_s": replayed}
    return {name: float(np.median(values)) for name, values in rates.items()} | {"bookkeeping_turns": rates}


def decay(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's weighting."""
    return np.exp(-7 * t)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--model", type=Path, default=Path("resources/models/mini-sd"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/engine.json"))
    options = parser.parse_args()
    # One thread: the claims are per core, and the engine's second thread must not borrow one from the network.
    torch.set_num_threads(1)
    denoiser = denoisers.load(options.model, "float32", options.device)
    work = Workload.fashion(denoiser, options.images)
    report = {"device": options.device, "model": options.model.name, "torch": torch.__version__}
    parts = (
        lambda: useful_fraction(work, options.turns),
        lambda: speedups(work, options.turns),
        lambda: bookkeeping(options.turns),
        lambda: reuse_speedup(denoiser.device, options.turns),
    )
    for part in parts:
        found = part()
        print(json.dumps(found, indent=2), flush=True)
        report |= found
        write_json(report, options.out)


if __name__ == "__main__":
    main()
