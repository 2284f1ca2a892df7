"""Scoring jobs as processes: stopped, killed, shared out anew, they score nothing twice and end with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checkpoints import record_checkpoint
from diffzero import models
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.scoring.inputs import dump_text
from diffzero.scoring.problem import shard_slice
from diffzero.scoring.store import Store, StoreError
from diffzero.utils.io import write_parquet

IMAGES, CLASSES, DRAWS = 5, 4, 60
FLUSH_CALLS, KILLS = 24, 20
# One interpreter loads the libraries; every job is a process of its own, forked from it. Prints the job's pid, then its exit code.
DRIVER = """
import json, os, sys, time, traceback
from pathlib import Path
import pandas as pd
import torch
from diffzero import models
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.diffusion.weighting import Heuristic
from diffzero.utils.io import write_json, write_parquet
from diffzero.scoring.inputs import ShardInputs
from diffzero.scoring.shard_lock import lock_shard
from diffzero.pruning.policies import TTest
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.utils.signals import handle_sigterm

torch.set_num_threads(1)
base = Path(sys.argv[1])
# What libraries load on first use is loaded here, once for all jobs.
models.load(Path(sys.argv[2]), "float32", "cpu")
pd.read_parquet(base / "items.parquet")

load = models.load

def counting(folder, dtype, device):
    # One byte a call, on disk before the network runs: what a killed job evaluated is known too.
    denoiser = load(folder, dtype, device)
    if (out_folder / "slowly").exists():
        (out_folder / "loading").touch()
        time.sleep(60)
    network_output = denoiser.network_output
    def counted(x_t, timestep, text):
        with open(out_folder / "calls", "ab") as file:
            file.write(b"." * len(x_t))
        return network_output(x_t, timestep, text)
    denoiser.network_output = counted
    return denoiser

models.load = counting

def job(store, out, shard, shards, seed):
    global out_folder
    out_folder = Path(out)
    prompts = json.loads((base / "prompts.json").read_text())["prompts"]
    files = [base / name for name in ("crops.npy", "x.npy", "text.safetensors")]
    inputs = ShardInputs(base / "images.parquet", base / "items.parquet", prompts, *files, shard, shards, None)
    policy, weighting, flush_calls = TTest(min_scores=4, max_scores=int(sys.argv[3]), cutoff_pval=1e-6), Heuristic(), int(sys.argv[4])
    weights, store, stem = CheckpointRecord.read(base / "weights.json"), Path(store), f"{shard}-of-{shards}"
    settings = ScoringSettings("digits", seed, False, policy, weighting, weights, "float32", "cpu", 12, flush_calls, store)
    # As in workflow/scripts/score.py; two jobs of these tests are to meet on one shard, each with a folder of its own.
    with handle_sigterm("a job") as stop, lock_shard(out_folder / f"{stem}.lock"):
        scores, cost = score_shard(inputs, settings, "a job", stop)
        write_parquet(scores, out_folder / f"{stem}.parquet")
        write_json(cost, out_folder / f"{stem}.json")

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
    """The driver process: starts jobs one after another."""

    def __init__(self, base: Path, weights: Path) -> None:
        command = [sys.executable, "-c", DRIVER, str(base), str(weights), str(DRAWS), str(FLUSH_CALLS)]
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


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_sd) -> Path:
    """A folder with the input files of all jobs."""
    base = tmp_path_factory.mktemp("inputs")
    table = load_digit_table().head(IMAGES)
    prompts = class_prompts("the number {}.", [str(k) for k in range(CLASSES)])
    pixels, family = crop_images(table, 32), models.adapter_class(tiny_sd)
    write_parquet(table, base / "images.parquet")
    write_parquet(classification_items(table, prompts), base / "items.parquet")
    (base / "prompts.json").write_text(json.dumps(prompts))
    np.save(base / "crops.npy", pixels)
    np.save(base / "x.npy", family.encode_images(tiny_sd, pixels))
    text = dump_text(family.encode_text(tiny_sd, prompts["prompts"]), prompts["prompts"])
    (base / "text.safetensors").write_bytes(text)
    record_checkpoint(tiny_sd, base / "weights.json")
    return base


@pytest.fixture(scope="module")
def jobs(inputs, tiny_sd):
    driver = Jobs(inputs, tiny_sd)
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def uninterrupted(jobs, tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("uninterrupted")
    jobs.finish(folder / "store", folder)
    return read(folder)


def read(folder: Path, shards: int = 1) -> pd.DataFrame:
    parts = [pd.read_parquet(folder / f"{k}-of-{shards}.parquet") for k in range(1, shards + 1)]
    return pd.concat(parts).sort_values(["image", "draw", "prompt"], ignore_index=True)


def cost(folder: Path, shards: int = 1) -> pd.Series:
    """Calls made and scores reused, over all shards."""
    rows = [json.loads((folder / f"{k}-of-{shards}.json").read_text()) for k in range(1, shards + 1)]
    return pd.DataFrame(rows)[["calls", "reused"]].sum()


def stored(store: Path) -> int:
    """Scores in the store's chunks."""
    return sum(len(pd.read_parquet(chunk)) for chunk in store.glob("*/*.parquet"))


def start_until_it_has_stored_more(jobs: Jobs, store: Path, out: Path) -> int:
    """The pid of a running job that has written a chunk; it may also have ended by now."""
    before, pid = len(list(store.glob("*/*.parquet"))), jobs.start(store, out)
    deadline = time.monotonic() + 60
    while len(list(store.glob("*/*.parquet"))) == before and not (out / "1-of-1.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return pid


def end(pid: int, how: signal.Signals) -> None:
    subprocess.run(["kill", f"-{how.name.removeprefix('SIG')}", str(pid)], check=False, capture_output=True)


def test_sigterm_stores_everything_and_the_same_command_continues(jobs, uninterrupted, tmp_path):
    store = tmp_path / "store"
    end(start_until_it_has_stored_more(jobs, store, tmp_path), signal.SIGTERM)
    assert jobs.exit_code() == os.EX_TEMPFAIL == 75
    assert not list(tmp_path.glob("*.parquet"))
    kept = stored(store)
    assert 0 < kept < len(uninterrupted)
    jobs.finish(store, tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert cost(tmp_path).to_dict() == {"calls": len(uninterrupted) - kept, "reused": kept}
    # What the network was at when the signal came is no exception: no call was made in vain.
    assert (tmp_path / "calls").stat().st_size == len(uninterrupted)


def test_sigterm_while_weights_are_loaded_asks_to_be_called_again_and_leaves_no_lease(jobs, uninterrupted, tmp_path):
    (tmp_path / "slowly").touch()
    pid, deadline = jobs.start(tmp_path / "store", tmp_path), time.monotonic() + 60
    while not (tmp_path / "loading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert list(tmp_path.glob("*.lock"))
    end(pid, signal.SIGTERM)
    assert jobs.exit_code() == os.EX_TEMPFAIL
    assert not list(tmp_path.glob("*.lock"))
    (tmp_path / "slowly").unlink()
    jobs.finish(tmp_path / "store", tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)


def test_killed_at_random_moments_it_ends_with_the_same_bits_and_no_score_stored_twice(jobs, uninterrupted, tmp_path):
    store, rng, kept = tmp_path / "store", random.Random(5), []
    for _ in range(KILLS):
        pid = start_until_it_has_stored_more(jobs, store, tmp_path)
        time.sleep(rng.uniform(0, 0.03))
        end(pid, signal.SIGKILL)
        assert jobs.exit_code() == -signal.SIGKILL
        kept.append(stored(store))
    assert kept == sorted(kept)
    jobs.finish(store, tmp_path)
    made = (tmp_path / "calls").stat().st_size
    assert len(uninterrupted) < made <= len(uninterrupted) + KILLS * FLUSH_CALLS
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert stored(store) == len(uninterrupted) == cost(tmp_path).sum()
    assert not list(store.glob("*/*.damaged"))


def test_two_processes_on_one_shard_both_finish_with_one_set_of_scores(inputs, jobs, uninterrupted, tmp_path, tiny_sd):
    other, store = Jobs(inputs, tiny_sd), tmp_path / "store"
    outs = [tmp_path / "one", tmp_path / "two"]
    for driver, out in zip((jobs, other), outs, strict=True):
        out.mkdir()
        driver.start(store, out)
    assert [driver.exit_code() for driver in (jobs, other)] == [0, 0]
    other.close()
    for out in outs:
        pd.testing.assert_frame_equal(read(out), uninterrupted, check_exact=True)
    # Whoever comes third finds each score once, and needs no call.
    jobs.finish(store, tmp_path)
    assert cost(tmp_path).to_dict() == {"calls": 0, "reused": len(uninterrupted)}
    assert not list(store.glob("*/*.damaged"))


def many_scores(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = {"draw": np.arange(count), "score": rng.random(count), "seconds": rng.random(count)}
    return pd.DataFrame({"image": "i", "prompt": "p"} | numbers)


def test_a_full_disk_keeps_the_earlier_chunks_and_the_job_goes_on_once_there_is_space(
    jobs, uninterrupted, tmp_path, small_disk
):
    # Room for a few chunks beside the identity, at one page a small file.
    probe, ballast = Store(small_disk / "probe", {}), small_disk / "ballast"
    ballast.write_bytes(bytes(2**21 - 20 * 4096))
    jobs.start(small_disk, tmp_path)
    assert jobs.exit_code() == 1
    kept = stored(small_disk)
    assert 0 < kept < len(uninterrupted)
    assert not list(small_disk.rglob("*.part")) and not list(tmp_path.glob("*.parquet"))
    with pytest.raises(
        StoreError, match=r"could not store 3000 scores: No space left .*earlier chunks are intact.*same command"
    ):
        probe.write(many_scores(3000))
    ballast.unlink()
    before = (tmp_path / "calls").stat().st_size
    jobs.finish(small_disk, tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert cost(tmp_path)["reused"] == kept
    assert (tmp_path / "calls").stat().st_size - before == len(uninterrupted) - kept


def test_four_shards_rescored_as_seven_make_no_call(jobs, uninterrupted, tmp_path):
    for shards in (4, 7):  # of five images: two of the seven are empty
        for shard in range(1, shards + 1):
            jobs.finish(tmp_path / "store", tmp_path, shard, shards)
    first, second = read(tmp_path, 4), read(tmp_path, 7)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert cost(tmp_path, 4)["calls"] == len(first) and cost(tmp_path, 7)["calls"] == 0
    # Against one shard, batches differ, and with them the last bits; the triples do not.
    keys = ["image", "draw", "prompt", "t"]
    pd.testing.assert_frame_equal(first[keys], uninterrupted[keys], check_exact=True)
    assert first["score"].to_numpy() == pytest.approx(uninterrupted["score"].to_numpy(), rel=1e-4)


def test_another_seed_never_meets_the_scores(jobs, uninterrupted, tmp_path):
    jobs.finish(tmp_path / "store", tmp_path, 1, 5)
    jobs.finish(tmp_path / "store", tmp_path, 1, 5, seed=1)
    assert json.loads((tmp_path / "1-of-5.json").read_text())["reused"] == 0


@pytest.mark.parametrize(("count", "shards"), [(5, 7), (10, 3), (1, 1), (0, 2), (4096, 16), (7, 7)])
def test_shards_are_contiguous_and_of_equal_size_but_one(count, shards):
    rows = [list(range(count))[shard_slice(count, k, shards)] for k in range(1, shards + 1)]
    assert sum(rows, []) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
