"""Measure the speed of the scoring engine as ratios: `make benchmark`.

Every ratio compares two ways of doing the same work in alternating runs on the same machine. The median is printed and written to
results/benchmarks/engine.json. Absolute numbers are printed for orientation; they hold for this machine only.
"""

import source_path  # noqa: F401  # before the imports from diffzero

# isort: split
import argparse
import functools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from contenders import Bookkeeping, literal, stages
from full_size import full_size
from numpy.typing import NDArray
from reuse import reuse_speedup
from throughput import engine_run, useful_fraction, wait_for
from workload import Workload, bookkeeping_problem, item_table

from diffzero import models
from diffzero.pruning.policies import TTest
from diffzero.pruning.replay import replay_items
from diffzero.scoring.engine import Engine
from diffzero.scoring.oom import choose_batch_size
from diffzero.scoring.store import Store
from diffzero.utils.io import write_json


def speedups(work: Workload, turns: int) -> dict:
    """Compare the engine's images per second with a literal Algorithm 1 and with fixed stages at batch 32, both image by image."""
    contenders = {"literal": literal, "literal_batched": functools.partial(literal, batched=True), "stages": stages}
    found: dict[str, list[float]] = {name: [] for name in ("engine", *contenders)}
    accuracy, calls = {}, {}
    for _ in range(turns):
        seconds, calls["engine"], accuracy["engine"] = engine_run(work, choose_batch_size("auto", work.denoiser.device))
        found["engine"].append(seconds)
        for name, contender in contenders.items():
            start = time.perf_counter()
            outcome = contender(work)
            wait_for(work.denoiser.device)
            found[name].append(time.perf_counter() - start)
            calls[name], accuracy[name] = outcome.calls, outcome.accuracy
    ratio = {f"speedup_{name}": float(np.median(np.array(found[name]) / found["engine"])) for name in contenders}
    return ratio | {"seconds": found, "accuracy": accuracy, "calls": calls, "images": len(work.problem.images)}


def bookkeeping(turns: int) -> dict:
    """Measure scores per second of the engine without a network (K = 1000, 64 images), and of replaying the scores.

    The engine is timed without storing the scores and with a store that writes them to disk.
    """
    problem, policy = bookkeeping_problem(64, 1000), TTest(min_scores=20, max_scores=60, cutoff_pval=2e-3)
    rates: dict[str, list[float]] = {"bookkeeping": [], "bookkeeping_stored": [], "replay": []}
    items = item_table(problem)
    with tempfile.TemporaryDirectory() as store_dir:
        for turn in range(turns):
            # One store per run, because existing chunks are not written again.
            recorders = {
                "bookkeeping": lambda scores: None,
                "bookkeeping_stored": Store(Path(store_dir), {"turn": turn}).write,
            }
            for name, record in recorders.items():
                engine = Engine(Bookkeeping(), problem, policy, decay, 4096)
                start = time.perf_counter()
                # As many batches per flush as on a GPU, where a batch has 512 calls.
                result = engine.run(record, flush_every=8 * 4096)
                rates[name].append(engine.progress.calls / (time.perf_counter() - start))
            scores = result.to_frame()
            start = time.perf_counter()
            replay_items(items, scores, policy, decay)
            rates["replay"].append(len(scores) / (time.perf_counter() - start))
    medians = {f"{name}_scores_per_s": float(np.median(values)) for name, values in rates.items()}
    return medians | {"bookkeeping_turns": rates}


def decay(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the paper's weighting."""
    return np.exp(-7 * t)


def main() -> None:
    """Run the benchmark and print its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--model", type=Path, default=Path("resources/models/mini-sd"))
    parser.add_argument(
        "--device", default="cpu", help="cpu or cuda; cuda adds Stable Diffusion v1.4's architecture at full size"
    )
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/engine.json"))
    options = parser.parse_args()
    # One thread: the ratios are per core, and the engine's second thread must not take a core from the network.
    torch.set_num_threads(1)
    denoiser = models.load(options.model, "float32", options.device)
    work = Workload.fashion(denoiser, options.images)
    name = torch.cuda.get_device_name(denoiser.device) if denoiser.device.type == "cuda" else "cpu"
    report = {"device": name, "model": options.model.name, "torch": torch.__version__}
    parts = (
        lambda: useful_fraction(work, options.turns, 2048),
        lambda: speedups(work, options.turns),
        lambda: bookkeeping(options.turns),
        lambda: reuse_speedup(denoiser.device, options.turns),
        lambda: full_size(denoiser.device, options.turns),
    )
    for part in parts:
        found = part()
        print(json.dumps(found, indent=2), flush=True)
        report |= found
        write_json(report, options.out)


if __name__ == "__main__":
    main()
