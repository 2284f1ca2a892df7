"""Store.compact: readers see the same scores before, during and after it."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from diffzero.scoring.chunk import SCORE_COLUMNS
from diffzero.scoring.store import Store

IDENTITY = {"weights": "a"}
COMPACT = """
import sys
from pathlib import Path
from diffzero.scoring.store import Store
Store(Path(sys.argv[1]), {"weights": "a"}).compact({"one", "two"})
"""


def chunk(image: str, first: int, draws: int = 4, seed: int = 0) -> pd.DataFrame:
    draw = np.repeat(np.arange(first, first + draws), 3).astype(np.int32)
    rows = {"image": pd.Categorical([image] * len(draw)), "prompt": [f"p{k % 3}" for k in range(len(draw))]}
    score = np.random.default_rng([first, seed]).random(len(draw), dtype=np.float32)
    return pd.DataFrame({**rows, "draw": draw, "score": score, "seconds": np.float32(0.5)})


def filled(root: Path) -> Store:
    """A store with chunks of two images, one chunk with other values of the same scores, and one that a third image shares."""
    store = Store(root, IDENTITY)
    for image in ("one", "two"):
        for first in range(0, 20, 4):
            store.write(chunk(image, first))
    store.write(chunk("one", 4, seed=1))
    store.write(pd.concat([chunk("two", 20), chunk("three", 0)]))
    return store


def read(store: Store) -> pd.DataFrame:
    found = store.read({"one", "two", "three"}).astype({"image": "str", "prompt": "str"})
    return found.sort_values(["image", "prompt", "draw"], ignore_index=True)[SCORE_COLUMNS]


def test_a_compacted_store_reads_as_before_and_has_one_chunk(tmp_path):
    store = filled(tmp_path)
    before = read(store)
    store.compact({"one", "two"})
    pd.testing.assert_frame_equal(read(store), before, check_exact=True)
    names = set(store.directory.glob("*.parquet"))
    assert len(names) == 2, "the new chunk, and the one that a third image shares"
    store.compact({"one", "two"})
    assert set(store.directory.glob("*.parquet")) == names


def test_compaction_leaves_damaged_chunks_to_readers(tmp_path, caplog):
    store = filled(tmp_path)
    bad = store.write(chunk("one", 40))
    bad.write_bytes(bad.read_bytes()[:-20])
    store.compact({"one", "two"})
    assert bad.exists()
    read(store)
    assert not bad.exists() and "Renamed to" in caplog.text


def test_a_kill_before_the_old_chunks_are_deleted_changes_nothing_for_readers(tmp_path, monkeypatch):
    store = filled(tmp_path)
    before = read(store)
    command = COMPACT.replace(
        "Store(Path(sys",
        "import os, signal\nPath.unlink = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\nStore(Path(sys",
    )
    dead = subprocess.run([sys.executable, "-c", command, str(tmp_path)], timeout=60)
    assert dead.returncode == -signal.SIGKILL and len(list(store.directory.glob("*.parquet"))) > 10
    pd.testing.assert_frame_equal(read(store), before, check_exact=True)
    store.compact({"one", "two"})
    assert len(list(store.directory.glob("*.parquet"))) == 2
    pd.testing.assert_frame_equal(read(store), before, check_exact=True)


def test_two_concurrent_compactions_and_a_reader_lose_no_scores(tmp_path):
    store = filled(tmp_path)
    before = read(store)
    workers = [subprocess.Popen([sys.executable, "-c", COMPACT, str(tmp_path)]) for _ in range(2)]
    while any(worker.poll() is None for worker in workers):
        pd.testing.assert_frame_equal(read(store), before, check_exact=True)
    assert [worker.returncode for worker in workers] == [0, 0]
    pd.testing.assert_frame_equal(read(store), before, check_exact=True)
