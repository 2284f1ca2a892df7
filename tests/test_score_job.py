"""Scoring jobs as processes: stopped, killed, shared out anew, they score nothing twice and end with the same bits."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import save_file

from diffzero import denoisers
from diffzero.datasets import digits
from diffzero.files import write_npy, write_parquet
from diffzero.images import crops
from diffzero.problem import shard_rows
from diffzero.score_job import CALL_AGAIN
from diffzero.stages import class_prompts, classification_items

IMAGES, CLASSES, DRAWS = 5, 4, 24
# One interpreter loads the libraries; every job is a process of its own, forked from it. Prints the job's pid, then its exit code.
DRIVER = """
import json, os, sys, traceback
from pathlib import Path
import pandas as pd
import torch
from diffzero import denoisers
from diffzero.config import Weighting
from diffzero.files import write_json, write_parquet
from diffzero.race import TTest
from diffzero.score_job import Inputs, Settings, run

torch.set_num_threads(1)
base = Path(sys.argv[1])
# What libraries load on first use is loaded here, once for all jobs.
denoisers.load(Path(sys.argv[2]), "float32", "cpu")
pd.read_parquet(base / "items.parquet")

def job(store, out, shard, shards, seed):
    prompts = json.loads((base / "prompts.json").read_text())["prompts"]
    files = [base / name for name in ("crops.npy", "x.npy", "text.safetensors")]
    inputs = Inputs(base / "images.parquet", base / "items.parquet", prompts, *files, shard, shards, None)
    policy, weighting = TTest(4, int(sys.argv[3]), 1e-6), Weighting()
    settings = Settings("digits", seed, False, policy, weighting, Path(sys.argv[2]), "digest", "float32", "cpu", 12, 24, Path(store))
    scores, cost = run(inputs, settings, "a job")
    write_parquet(scores, Path(out) / f"{shard}-of-{shards}.parquet")
    write_json(cost, Path(out) / f"{shard}-of-{shards}.json")

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
        command = [sys.executable, "-c", DRIVER, str(base), str(weights), str(DRAWS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def start(self, store: Path, out: Path, shard: int = 1, shards: int = 1, seed: int = 0) -> int:
        self.process.stdin.write(json.dumps([str(store), str(out), shard, shards, seed]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def exit_code(self) -> int:
        return int(self.process.stdout.readline())

    def finish(self, *arguments, **options) -> None:
        self.start(*arguments, **options)
        assert self.exit_code() == 0


@pytest.fixture(scope="module")
def jobs(tmp_path_factory, tiny_sd):
    base = tmp_path_factory.mktemp("inputs")
    table = digits.load().head(IMAGES)
    prompts = class_prompts("the number {}.", [str(k) for k in range(CLASSES)])
    pixels, family = crops(table, 32), denoisers.family(tiny_sd)
    write_parquet(table, base / "images.parquet")
    write_parquet(classification_items(table, prompts), base / "items.parquet")
    (base / "prompts.json").write_text(json.dumps(prompts))
    write_npy(pixels, base / "crops.npy")
    write_npy(family.encode_images(tiny_sd, pixels), base / "x.npy")
    save_file(family.encode_text(tiny_sd, prompts["prompts"]), base / "text.safetensors")
    driver = Jobs(base, tiny_sd)
    yield driver
    driver.process.stdin.close()
    driver.process.wait(timeout=30)


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
    assert jobs.exit_code() == CALL_AGAIN == 75
    assert not list(tmp_path.glob("*.parquet"))
    kept = stored(store)
    assert 0 < kept < len(uninterrupted)
    jobs.finish(store, tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert cost(tmp_path).to_dict() == {"calls": len(uninterrupted) - kept, "reused": kept}


def test_killed_at_random_moments_it_ends_with_the_same_bits_and_no_score_stored_twice(jobs, uninterrupted, tmp_path):
    store, rng, kills, lost = tmp_path / "store", random.Random(5), 0, []
    for _ in range(5):
        pid = start_until_it_has_stored_more(jobs, store, tmp_path)
        time.sleep(rng.uniform(0, 0.1))
        end(pid, signal.SIGKILL)
        code = jobs.exit_code()
        kills += code == -signal.SIGKILL
        lost.append(stored(store))
    assert kills >= 2 and lost == sorted(lost)
    jobs.finish(store, tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert stored(store) == len(uninterrupted) == cost(tmp_path).sum()
    assert not list(store.glob("*/*.damaged"))


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
    rows = [list(range(count))[shard_rows(count, k, shards)] for k in range(1, shards + 1)]
    assert sum(rows, []) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
