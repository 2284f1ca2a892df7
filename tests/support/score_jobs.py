"""Scoring jobs as processes that a test may stop or kill, and what they have written."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

# One process loads the libraries and forks a process per job. It prints the pid of the job, then its exit code.
DRIVER = """
import json, os, sys, time, traceback
from pathlib import Path
import pandas as pd
import torch
from diffzero import models
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.diffusion.weighting import Heuristic
from diffzero.utils.result_files import write_parquet, write_record
from diffzero.scoring.inputs import ShardInputs
from diffzero.scoring.shard_lock import lock_shard
from diffzero.pruning.policies import TTest
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.utils.signals import handle_sigterm

torch.set_num_threads(1)
base = Path(sys.argv[1])
# Loads what the libraries import on first use, once for all jobs.
models.load(Path(sys.argv[2]), "float32", "cpu")
pd.read_parquet(base / "items.parquet")

load = models.load

def counting(checkpoint_dir, dtype, device):
    # One byte per call, on disk before the network runs, so that the calls of a killed job are counted as well.
    denoiser = load(checkpoint_dir, dtype, device)
    if (out_dir / "load_slowly").exists():
        (out_dir / "loading").touch()
        time.sleep(60)
    network_output = denoiser.network_output
    def counted(x_t, timestep, text):
        with open(out_dir / "calls", "ab") as file:
            file.write(b"." * len(x_t))
        return network_output(x_t, timestep, text)
    denoiser.network_output = counted
    return denoiser

models.load = counting

def job(store, out, shard, shards, seed):
    global out_dir
    out_dir = Path(out)
    names = ("images.parquet", "items.parquet", "prompts.json", "crops.npy", "x.npy", "text.safetensors")
    inputs = ShardInputs(*(base / name for name in names), shard, shards, None)
    policy, weighting, flush_every = TTest(min_scores=4, max_scores=int(sys.argv[3]), cutoff_pval=1e-6), Heuristic(), int(sys.argv[4])
    weights, store, stem = CheckpointRecord.read(base / "weights.json"), Path(store), f"{shard}-of-{shards}"
    settings = ScoringSettings("digits", seed, False, policy, weighting, weights, "float32", "cpu", 12, flush_every, store)
    # As in workflow/scripts/score.py. Each job of a test may have its own folder, so that two can work on one shard at a time.
    with handle_sigterm("a job") as stop, lock_shard(out_dir / f"{stem}.lock"):
        scores, cost = score_shard(inputs, settings, "a job", stop)
        write_parquet(scores, out_dir / f"{stem}.parquet")
        write_record(cost, out_dir / f"{stem}.json")

print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        continue
    try:
        job(*json.loads(line))
    except SystemExit as end:
        os._exit(end.code)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""


class Jobs:
    """The driver process; starts jobs one after another."""

    def __init__(self, base: Path, weights: Path, draws: int, flush_every: int) -> None:
        command = [sys.executable, "-c", DRIVER, str(base), str(weights), str(draws), str(flush_every)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def start(self, store: Path, out: Path, shard: int = 1, shards: int = 1, seed: int = 0) -> int:
        self.process.stdin.write(json.dumps([str(store), str(out), shard, shards, seed]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def exit_code(self) -> int:
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def finish(self, *arguments, **options) -> None:
        self.start(*arguments, **options)
        assert self.exit_code() == 0


def read(scores_dir: Path, shards: int = 1) -> pd.DataFrame:
    parts = [pd.read_parquet(scores_dir / f"{k}-of-{shards}.parquet") for k in range(1, shards + 1)]
    return pd.concat(parts).sort_values(["image", "draw", "prompt"], ignore_index=True)


def cost(scores_dir: Path, shards: int = 1) -> pd.Series:
    """Return calls made and scores reused, summed over shards."""
    rows = [json.loads((scores_dir / f"{k}-of-{shards}.json").read_text()) for k in range(1, shards + 1)]
    return pd.DataFrame(rows)[["calls", "reused"]].sum()


def stored(store: Path) -> int:
    """Return the number of scores in all chunks of the store."""
    return sum(len(pd.read_parquet(chunk)) for chunk in store.glob("*/*.parquet"))


def start_and_wait_for_a_chunk(jobs: Jobs, store: Path, out: Path) -> int:
    """Start a job, wait until it has written a chunk and return its pid; the job may have ended by then."""
    before, pid = len(list(store.glob("*/*.parquet"))), jobs.start(store, out)
    deadline = time.monotonic() + 60
    while len(list(store.glob("*/*.parquet"))) == before and not (out / "1-of-1.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return pid


def end(pid: int, how: signal.Signals) -> None:
    subprocess.run(["kill", f"-{how.name.removeprefix('SIG')}", str(pid)], check=False, capture_output=True)
