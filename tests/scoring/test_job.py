"""Scoring jobs as processes: stopped, killed or with other shards, they compute no score twice and give the same bits."""

import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checkpoints import record_checkpoint
from diffzero.data.prompts import class_prompts
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.scoring.store import Store, StoreError
from score_inputs import write_inputs
from score_jobs import Jobs, cost, end, read, start_and_wait_for_a_chunk, stored

IMAGES, CLASSES, DRAWS = 5, 4, 60
FLUSH_CALLS, KILLS = 24, 20


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_sd) -> Path:
    """Return a folder with the input files of all jobs."""
    base = tmp_path_factory.mktemp("inputs")
    table = load_digit_table().head(IMAGES)
    prompts = class_prompts("the number {}.", [str(k) for k in range(CLASSES)])
    write_inputs(base, table, prompts, crop_images(table, 32), record_checkpoint(tiny_sd, base / "weights.json"))
    return base


@pytest.fixture(scope="module")
def jobs(inputs, tiny_sd):
    driver = Jobs(inputs, tiny_sd, DRAWS, FLUSH_CALLS)
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def uninterrupted(jobs, tmp_path_factory) -> pd.DataFrame:
    scores_dir = tmp_path_factory.mktemp("uninterrupted")
    jobs.finish(scores_dir / "store", scores_dir)
    return read(scores_dir)


def test_sigterm_stores_all_scores_and_the_same_command_continues(jobs, uninterrupted, tmp_path):
    store = tmp_path / "store"
    end(start_and_wait_for_a_chunk(jobs, store, tmp_path), signal.SIGTERM)
    assert jobs.exit_code() == os.EX_TEMPFAIL == 75
    assert not list(tmp_path.glob("*.parquet"))
    kept = stored(store)
    assert 0 < kept < len(uninterrupted)
    jobs.finish(store, tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)
    assert cost(tmp_path).to_dict() == {"calls": len(uninterrupted) - kept, "reused": kept}
    # This includes the batch in flight when the signal arrived: no call was wasted.
    assert (tmp_path / "calls").stat().st_size == len(uninterrupted)


def test_sigterm_during_loading_exits_with_tempfail_and_releases_the_lock(jobs, uninterrupted, tmp_path):
    (tmp_path / "load_slowly").touch()
    pid, deadline = jobs.start(tmp_path / "store", tmp_path), time.monotonic() + 60
    while not (tmp_path / "loading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert list(tmp_path.glob("*.lock"))
    end(pid, signal.SIGTERM)
    assert jobs.exit_code() == os.EX_TEMPFAIL
    assert not list(tmp_path.glob("*.lock"))
    (tmp_path / "load_slowly").unlink()
    jobs.finish(tmp_path / "store", tmp_path)
    pd.testing.assert_frame_equal(read(tmp_path), uninterrupted, check_exact=True)


def test_a_job_killed_at_random_moments_gives_the_same_bits_and_stores_no_score_twice(jobs, uninterrupted, tmp_path):
    store, rng, kept = tmp_path / "store", random.Random(5), []
    for _ in range(KILLS):
        pid = start_and_wait_for_a_chunk(jobs, store, tmp_path)
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


def test_two_concurrent_jobs_on_one_shard_finish_with_one_set_of_scores(inputs, jobs, uninterrupted, tmp_path, tiny_sd):
    other, store = Jobs(inputs, tiny_sd, DRAWS, FLUSH_CALLS), tmp_path / "store"
    outs = [tmp_path / "one", tmp_path / "two"]
    for driver, out in zip((jobs, other), outs, strict=True):
        out.mkdir()
        driver.start(store, out)
    assert [driver.exit_code() for driver in (jobs, other)] == [0, 0]
    other.close()
    for out in outs:
        pd.testing.assert_frame_equal(read(out), uninterrupted, check_exact=True)
    # A third job finds each score once and makes no call.
    jobs.finish(store, tmp_path)
    assert cost(tmp_path).to_dict() == {"calls": 0, "reused": len(uninterrupted)}
    assert not list(store.glob("*/*.damaged"))


@pytest.mark.parametrize("shards", [(1, 2), (3, 2)], ids=str)
def test_two_runs_with_other_shard_counts_compute_each_score_once(
    inputs, jobs, uninterrupted, tmp_path, tiny_sd, shards
):
    other, store = Jobs(inputs, tiny_sd, DRAWS, FLUSH_CALLS), tmp_path / "store"
    runs = list(zip((jobs, other), (tmp_path / "one", tmp_path / "two"), shards, strict=True))
    for _, out, _ in runs:
        out.mkdir()
    for shard in range(1, max(shards) + 1):
        running = [(driver, out, count) for driver, out, count in runs if shard <= count]
        for driver, out, count in running:
            driver.start(store, out, shard, count)
        assert [driver.exit_code() for driver, *_ in running] == [0] * len(running)
    other.close()
    keys = ["image", "draw", "prompt", "t"]
    one, two = (read(out, count) for _, out, count in runs)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    pd.testing.assert_frame_equal(one[keys], uninterrupted[keys], check_exact=True)
    calls = sum((out / "calls").stat().st_size for _, out, _ in runs if (out / "calls").exists())
    assert calls == len(uninterrupted) == stored(store)
    assert not list(store.glob("*/claims/*"))


def many_scores(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = {"draw": np.arange(count), "score": rng.random(count), "seconds": rng.random(count)}
    return pd.DataFrame({"image": "i", "prompt": "p"} | numbers)


def test_a_full_disk_keeps_earlier_chunks_and_the_job_continues_once_there_is_space(
    jobs, uninterrupted, tmp_path, small_disk
):
    # Leaves space for the identity and a few chunks; a small file takes a page.
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


def test_scoring_four_shards_again_as_seven_makes_no_call(jobs, uninterrupted, tmp_path):
    for shards in (4, 7):  # five images: two of the seven shards are empty
        for shard in range(1, shards + 1):
            jobs.finish(tmp_path / "store", tmp_path, shard, shards)
    first, second = read(tmp_path, 4), read(tmp_path, 7)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert cost(tmp_path, 4)["calls"] == len(first) and cost(tmp_path, 7)["calls"] == 0
    # With one shard the batches differ, and with them the last bits, but the triples are the same.
    keys = ["image", "draw", "prompt", "t"]
    pd.testing.assert_frame_equal(first[keys], uninterrupted[keys], check_exact=True)
    assert first["score"].to_numpy() == pytest.approx(uninterrupted["score"].to_numpy(), rel=1e-4)


def test_another_seed_does_not_reuse_scores(jobs, uninterrupted, tmp_path):
    jobs.finish(tmp_path / "store", tmp_path, 1, 5)
    jobs.finish(tmp_path / "store", tmp_path, 1, 5, seed=1)
    assert json.loads((tmp_path / "1-of-5.json").read_text())["reused"] == 0
