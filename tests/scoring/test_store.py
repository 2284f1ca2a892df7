"""The store: chunks come back complete, damaged chunks are set aside, and contexts are separate."""

import logging
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from diffzero.scoring.chunk import SCORE_COLUMNS
from diffzero.scoring.store import Store, content_key

IDENTITY = {"weights": "a", "dtype": "float32", "seed": 0}
WRITER = """
import sys
import numpy as np, pandas as pd
from pathlib import Path
from diffzero.scoring.store import Store
store = Store(Path(sys.argv[1]), {"weights": "a"})
for chunk in range(int(sys.argv[2]), int(sys.argv[3])):
    rows = np.arange(40)
    scores = np.random.default_rng(chunk).random(40, dtype=np.float32)
    table = {"image": [f"image {k % 4}" for k in rows], "prompt": [f"prompt {chunk}"] * 40, "draw": rows.astype(np.int32)}
    store.write(pd.DataFrame({**table, "score": scores, "seconds": np.float32(0.25)}))
"""


def some(image: str = "one", seed: int = 0, draws: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = {"image": image, "prompt": [f"p{k % 3}" for k in range(3 * draws)]}
    draw, score = np.repeat(np.arange(draws), 3).astype(np.int32), rng.random(3 * draws, dtype=np.float32)
    return pd.DataFrame({**rows, "draw": draw, "score": score, "seconds": np.float32(0.5)})


def equal(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    one, other = (f.astype({"image": "str", "prompt": "str"}) for f in (one, other))
    one, other = (f.sort_values(["image", "prompt", "draw"], ignore_index=True)[SCORE_COLUMNS] for f in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    return True


def test_written_scores_are_read_by_another_store_object(tmp_path):
    store = Store(tmp_path, IDENTITY)
    store.write(some("one", 1))
    store.write(some("two", 2))
    store.write(some("three", 3))
    again = Store(tmp_path, dict(reversed(IDENTITY.items())))
    assert equal(again.read({"one", "two"}), pd.concat([some("one", 1), some("two", 2)]))
    assert len(again.read({"four"})) == 0


def test_an_empty_store_or_no_images_give_an_empty_table_with_all_columns(tmp_path):
    store = Store(tmp_path / "not" / "there", IDENTITY)
    assert list(store.read({"one"}).columns) == SCORE_COLUMNS and len(store.read({"one"})) == 0
    store.write(some())
    assert list(store.read(set()).columns) == SCORE_COLUMNS and len(store.read(set())) == 0


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize("damage", [cut, flip, lambda data: b""], ids=["cut", "flipped", "empty"])
def test_a_damaged_chunk_is_logged_and_set_aside_and_only_its_scores_are_missing(tmp_path, caplog, damage):
    store = Store(tmp_path, IDENTITY)
    good, bad = store.write(some("one", 1)), store.write(some("one", 2, draws=12).tail(18))
    broken = damage(bad.read_bytes())
    bad.write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        assert equal(store.read({"one"}), some("one", 1))
    assert str(bad) in caplog.text and good.exists() and not bad.exists()
    assert [path.read_bytes() for path in store.directory.glob("*.damaged")] == [broken]
    # The same scores computed again get the same file name.
    assert store.write(some("one", 2, draws=12).tail(18)) == bad
    assert len(store.read({"one"})) == 36


def test_scores_written_twice_are_stored_and_read_once(tmp_path):
    store = Store(tmp_path, IDENTITY)
    assert store.write(some()) == store.write(some())
    store.write(some().head(10))  # another chunk with the same scores
    assert len(list(store.directory.glob("*.parquet"))) == 2
    assert equal(store.read({"one"}), some())


def test_all_readers_choose_the_same_of_two_values_of_a_score(tmp_path):
    names = []
    for order in ((1, 2), (2, 1)):
        store = Store(tmp_path / str(order), IDENTITY)
        for seed in order:
            store.write(some("one", seed))
        names.append(store.read({"one"}))
    assert equal(*names) and len(names[0]) == len(some())


@pytest.mark.parametrize(("name", "value"), [("weights", "b"), ("dtype", "float16"), ("seed", 1), ("extra", None)])
def test_a_changed_identity_does_not_find_the_scores(tmp_path, name, value):
    Store(tmp_path, IDENTITY).write(some())
    assert len(Store(tmp_path, {**IDENTITY, name: value}).read({"one"})) == 0


def test_content_keys_differ_by_content_type_and_position():
    keys = [
        content_key(b"a"),
        content_key("a"),
        content_key(b"b"),
        content_key("a", "b"),
        content_key("ab"),
        content_key(["a", "b"]),
        content_key("a", b"b"),
        content_key(1),
        content_key("1"),
    ]
    assert len(set(keys)) == len(keys)
    assert content_key("a", b"b") == content_key("a", b"b")


def test_temporary_files_are_not_read(tmp_path):
    store = Store(tmp_path, IDENTITY)
    chunk = store.write(some())
    part = chunk.with_name(f".{chunk.name}.0123456789abcdef.part")
    part.write_bytes(chunk.read_bytes()[:50])
    assert equal(store.read({"one"}), some())
    assert part.exists() and not list(store.directory.glob("*.damaged"))


def test_two_concurrent_writers_lose_and_duplicate_no_scores(tmp_path):
    # Chunks 0..23 and 8..31: both processes write sixteen of them.
    spans = [("0", "24"), ("8", "32")]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), *span]) for span in spans]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    store = Store(tmp_path, {"weights": "a"})
    scores = store.read({f"image {k}" for k in range(4)})
    assert len(scores) == 32 * 40 == len(scores[["image", "prompt", "draw"]].drop_duplicates())
    assert len(list(store.directory.glob("*.parquet"))) == 32
    assert not list(store.directory.glob("*.damaged")) and not list(store.directory.glob(".*.part"))
