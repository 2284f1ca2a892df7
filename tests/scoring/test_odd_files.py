"""Stores with files that do not belong there, and stores that may not be written."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diffzero.scoring.chunk import to_chunk
from diffzero.scoring.store import Store, StoreError

IDENTITY, OTHER = {"weights": "a"}, {"weights": "b"}
READER = """
import os, sys
from pathlib import Path
from diffzero.scoring.store import Store, StoreError
os.setgid(65534); os.setuid(65534)
store = Store(Path(sys.argv[1]), {"weights": "a"})
print(len(store.read({"one"})))
store.compact({"one"})
try:
    store.require_writable()
except StoreError as error:
    print(error)
"""


def some(image: str = "one", seed: int = 0, draws: int = 6) -> pd.DataFrame:
    rng, draw = np.random.default_rng(seed), np.repeat(np.arange(draws), 3).astype(np.int32)
    rows = {"image": image, "prompt": [f"p{k % 3}" for k in range(3 * draws)], "draw": draw}
    return pd.DataFrame({**rows, "score": rng.random(3 * draws, dtype=np.float32), "seconds": np.float32(0.5)})


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path)


def foreign(path: Path) -> None:
    some().to_parquet(path)


def digest_of_other_columns(path: Path) -> None:
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"prompt": ["x"]}), stream)
    data = stream.getvalue().to_pybytes()
    named(path, data)


def not_parquet(path: Path) -> None:
    named(path, b"text")


def named(path: Path, data: bytes) -> None:
    """Write a file with its digest as the name, as if it were a chunk."""
    import hashlib

    (path.parent / f"{hashlib.sha256(data).hexdigest()}.parquet").write_bytes(data)


def newer_version(path: Path) -> None:
    import json

    table = pa.Table.from_pandas(some(), preserve_index=False)
    named_stream = pa.BufferOutputStream()
    with pq.ParquetWriter(named_stream, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"diffzero": json.dumps({"version": 99})})
    named(path, named_stream.getvalue().to_pybytes())


ODD = [Path.mkdir, os.mkfifo, dangling, loop, foreign, digest_of_other_columns, not_parquet, newer_version]


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("stem", ["scores", "a" * 64])
def test_odd_files_are_named_once_and_passed_over(tmp_path, caplog, make, stem):
    store = Store(tmp_path, IDENTITY)
    store.write(some("one", 1))
    store.write(some("one", 2, draws=9).tail(9))
    before = set(store.directory.iterdir())
    make(store.directory / f"{stem}.parquet")
    (odd,) = set(store.directory.iterdir()) - before
    with caplog.at_level(logging.WARNING):
        assert len(store.read({"one"})) == len(store.read_new(set())) + 27
    assert caplog.text.count(str(odd)) == 1
    assert "store verify" in caplog.text or "Renamed to" in caplog.text
    store.compact({"one"})
    assert len(store.read({"one"})) == 27
    store.write(some("one", 3, draws=12).tail(9))


def test_a_chunk_in_the_folder_of_another_context_is_refused(tmp_path, caplog):
    store, other = Store(tmp_path, IDENTITY), Store(tmp_path, OTHER)
    chunk = store.write(some())
    moved = other.directory / chunk.name
    shutil.copy(chunk, moved)
    with caplog.at_level(logging.WARNING):
        assert len(other.read({"one"})) == 0
    assert f"{moved}: found a chunk of the context {store.context}, expected {other.context}" in caplog.text
    other.compact({"one"})
    assert moved.exists() and len(store.read({"one"})) == 18


def test_every_flipped_bit_of_a_chunk_is_noticed(tmp_path):
    store = Store(tmp_path, IDENTITY)
    chunk = store.write(some())
    data, rng = chunk.read_bytes(), np.random.default_rng(4)
    for bit in rng.choice(8 * len(data), 200, replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        chunk.write_bytes(flipped)
        assert len(store.read({"one"})) == 0 and not chunk.exists()


def test_compaction_keeps_scores_of_different_origins_apart(tmp_path):
    for x in ("1", "2"):
        for seed in range(3):
            Store(tmp_path, IDENTITY, {"x": x * 64}).write(some(f"image {x}", seed, draws=3 * seed + 3).tail(9))
    store = Store(tmp_path, IDENTITY, {"x": "3" * 64})
    before = store.read({"image 1", "image 2"})
    store.compact({"image 1", "image 2"})
    assert len(list(store.directory.glob("*.parquet"))) == 2
    after = store.read({"image 1", "image 2"})
    assert len(after) == len(before) and sorted(after["score"]) == sorted(before["score"])


@contextlib.contextmanager
def read_only(path: Path):
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", path, path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs permission to mount: {mounted.stderr.strip()}")
    subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_read_only_store_is_read_and_says_so_before_new_scores_are_computed(tmp_path):
    Store(tmp_path, IDENTITY).write(some())
    Store(tmp_path, IDENTITY).write(some("one", 1, draws=8).tail(6))
    damaged = Store(tmp_path, IDENTITY).write(some("one", 2, draws=10).tail(6))
    damaged.write_bytes(b"")
    with read_only(tmp_path):
        store = Store(tmp_path, IDENTITY)
        assert len(store.read({"one"})) == 24
        store.compact({"one"})
        for refused in (store, Store(tmp_path, OTHER), Store(tmp_path / "new", IDENTITY)):
            assert len(refused.read({"two"})) == 0
            with pytest.raises(
                StoreError, match=r"cannot be written \(Read-only file system\). Nothing was computed.*cp -r"
            ):
                refused.require_writable()
    Store(tmp_path, IDENTITY).require_writable()


def test_a_store_of_another_user_is_read(tmp_path):
    root = tmp_path / "store"
    Store(root, IDENTITY).write(some())
    unreadable = Store(root, IDENTITY).write(some("one", 1, draws=8).tail(6))
    unreadable.chmod(0o600)
    for folder in [tmp_path, *tmp_path.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o555)
    done = subprocess.run([sys.executable, "-c", READER, str(root)], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0] == "18", done.stderr
    assert "cannot be written (Permission denied)" in done.stdout
    assert f"{unreadable}: cannot be read (Permission denied)" in done.stderr


def test_the_name_of_a_chunk_depends_on_its_context_and_sources():
    names = {to_chunk(some(), context, made_from)[0] for context in "ab" for made_from in ({}, {"x": "c"}, {"x": "d"})}
    assert len(names) == 6
