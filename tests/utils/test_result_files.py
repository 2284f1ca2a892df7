"""Result files: what is read equals what was written, or the file is refused by name; other programs read them as usual."""

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from diffzero.utils.parquet_digests import open_parquet
from diffzero.utils.provenance import DamagedFileError, ResultFileError, StaleFileError
from diffzero.utils.result_files import (
    digest_of,
    digests_of,
    is_made_from,
    read_arrays,
    read_parquet,
    read_provenance,
    read_record,
    write_arrays,
    write_parquet,
    write_record,
)
from diffzero.utils.row_files import RowFile, write_rows

FLIPS = 200
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "image": [f"image {k}" for k in range(50)],
        "candidates": [list(range(k % 5 + 1)) for k in range(50)],
        "bytes": [RNG.bytes(40) for _ in range(50)],
        "score": RNG.random(50).astype(np.float32),
    },
    index=range(7, 57),
)
RECORD = {"prompts": ["é", "a $x$"], "seconds": 1e-05, "memory": None}
ROWS = RNG.normal(size=(7, 3, 2)).astype(np.float32)
ARRAYS = {"states": ROWS, "mask": np.arange(6).reshape(2, 3)}


class Format(NamedTuple):
    """A kind of result file with a value in it."""

    name: str
    write: Callable[..., Any]
    read: Callable[[Path], Any]


FORMATS = [
    Format("items.parquet", lambda path, **more: write_parquet(FRAME, path, **more), read_parquet),
    Format("empty.parquet", lambda path, **more: write_parquet(FRAME.head(0), path, **more), read_parquet),
    Format("cost.json", lambda path, **more: write_record(RECORD, path, **more), read_record),
    Format("text.safetensors", lambda path, **more: write_arrays(ARRAYS, path, **more), read_arrays),
    Format(
        "x.npy", lambda path, **more: write_rows([ROWS[:3], ROWS[3:]], 7, path, **more), lambda p: RowFile(p).read()
    ),
]
each_format = pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)


@each_format
def test_flipped_bits_anywhere_are_refused_with_the_command_that_makes_the_file_again(tmp_path, kind):
    path = tmp_path / "some folder" / kind.name
    kind.write(path)
    data, rng = path.read_bytes(), random.Random(1)
    for bit in rng.sample(range(8 * len(data)), FLIPS):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with warnings.catch_warnings(), pytest.raises(DamagedFileError) as error:
            warnings.simplefilter("ignore")  # NumPy warns about the headers of an old version of Python
            kind.read(path)
        assert str(error.value).startswith(str(path)) and f"Type `rm '{path}'` and re-run" in str(error.value)
    path.write_bytes(data)
    kind.read(path)


@each_format
@pytest.mark.parametrize(
    "change", [lambda data, k: data[:k], lambda data, k: data[k:], lambda data, k: data + data[:k]]
)
def test_cut_and_extended_files_are_refused(tmp_path, kind, change):
    path = tmp_path / kind.name
    kind.write(path)
    data = path.read_bytes()
    for k in [1, *random.Random(2).sample(range(2, len(data)), 30), len(data) - 1]:
        path.write_bytes(change(data, k))
        with pytest.raises(DamagedFileError):
            kind.read(path)


@each_format
def test_an_exchanged_region_of_zeros_is_refused(tmp_path, kind):
    path = tmp_path / kind.name
    kind.write(path)
    data, rng = path.read_bytes(), random.Random(3)
    for start in rng.sample(range(len(data) - 40), 30):  # a lost block of the file system
        zeroed = data[:start] + bytes(40) + data[start + 40 :]
        path.write_bytes(zeroed)
        if zeroed != data:
            with pytest.raises(DamagedFileError):
                kind.read(path)


def test_files_without_digests_are_refused(tmp_path):
    FRAME.to_parquet(tmp_path / "items.parquet")
    np.save(tmp_path / "x.npy", ROWS)
    save_file(ARRAYS, tmp_path / "text.safetensors")
    (tmp_path / "cost.json").write_text(json.dumps(RECORD, indent=2))
    for kind in FORMATS[:1] + FORMATS[2:]:
        with pytest.raises(DamagedFileError, match="an earlier version of diffzero wrote it"):
            kind.read(tmp_path / kind.name)
        with pytest.raises(DamagedFileError):
            read_provenance(tmp_path / kind.name)


def test_values_come_back_and_other_programs_read_the_files(tmp_path):
    for kind in FORMATS:
        kind.write(tmp_path / kind.name)
    expected = FRAME.reset_index(drop=True)
    for found in (read_parquet(tmp_path / "items.parquet"), pd.read_parquet(tmp_path / "items.parquet")):
        pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "empty.parquet"), expected.head(0))
    with_attributes = expected.copy()
    with_attributes.attrs["equal_prompts"] = [[3, 1]]
    write_parquet(with_attributes, tmp_path / "scores.parquet")
    assert read_parquet(tmp_path / "scores.parquet").attrs == {"equal_prompts": [[3, 1]]}
    assert read_record(tmp_path / "cost.json") == RECORD
    assert json.loads((tmp_path / "cost.json").read_text()).items() > RECORD.items()
    for arrays in (read_arrays(tmp_path / "text.safetensors"), load_file(tmp_path / "text.safetensors")):
        assert arrays.keys() == ARRAYS.keys() and all((arrays[name] == ARRAYS[name]).all() for name in ARRAYS)
    assert (np.load(tmp_path / "x.npy", mmap_mode="r") == ROWS).all()
    assert (RowFile(tmp_path / "x.npy").mapped() == ROWS).all()


def test_a_column_is_read_without_the_others(tmp_path):
    path = tmp_path / "images.parquet"
    write_parquet(FRAME, path)
    part = pq.read_metadata(path).row_group(0).column(2)
    data = bytearray(path.read_bytes())
    data[part.dictionary_page_offset + part.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    assert read_parquet(path, ["image"])["image"].tolist() == FRAME["image"].tolist()
    assert len(read_parquet(path, ["candidates", "score"])) == len(FRAME)
    for columns in (["bytes"], None):
        with pytest.raises(DamagedFileError, match="column bytes"), open_parquet(path, columns):
            pass


def test_rows_are_compared_when_they_are_read(tmp_path):
    path = tmp_path / "x.npy"
    write_rows([ROWS], 7, path)
    data = bytearray(path.read_bytes())
    data[data.index(ROWS[4].tobytes())] ^= 4
    path.write_bytes(data)
    file = RowFile(path)
    assert (
        len(file) == 7 and (file.read(slice(0, 4)) == ROWS[:4]).all() and (file.read(slice(5, None)) == ROWS[5:]).all()
    )
    for read in (file.mapped, lambda: file.read(slice(4, 5))):
        with pytest.raises(DamagedFileError, match="row 4: found SHA-256"):
            read()


@pytest.mark.parametrize("parts", [[ROWS[:2]], [], [ROWS, ROWS[:, :2]], [ROWS[:3], ROWS[3:].astype(np.float64)]])
def test_rows_that_do_not_match_leave_no_file(tmp_path, parts):
    with pytest.raises(ValueError, match=r"x.npy: found .* expected"):
        write_rows(parts, 7, tmp_path / "x.npy")
    assert not list(tmp_path.iterdir())


def test_equal_values_have_equal_digests_whatever_they_were_made_from(tmp_path):
    write_record(RECORD, tmp_path / "source.json")
    for kind in FORMATS:
        one, other = tmp_path / kind.name, tmp_path / "other" / kind.name
        kind.write(one)
        kind.write(other, sources=digests_of([tmp_path / "source.json"]), settings={"seed": 3})
        assert digest_of(one) == digest_of(other)
        assert read_provenance(other).made_from == {"../source.json": digest_of(tmp_path / "source.json")}
        assert read_provenance(other).settings == {"seed": 3}
    assert len({digest_of(tmp_path / kind.name) for kind in FORMATS}) == len(FORMATS)


@each_format
def test_a_file_in_the_place_of_another_one_of_the_run_is_refused(tmp_path, kind):
    one, other = (tmp_path / "run" / "inputs" / "mini-sd" / dataset / kind.name for dataset in ("digits", "fashion"))
    kind.write(one)
    kind.write(other)
    other.write_bytes(one.read_bytes())
    for read in (kind.read, read_provenance):
        with pytest.raises(StaleFileError, match=f"written as inputs/mini-sd/digits/{kind.name}"):
            read(other)
    (tmp_path / "run").rename(tmp_path / "renamed")  # a whole run may be moved
    kind.read(tmp_path / "renamed" / one.relative_to(tmp_path / "run"))


def test_values_that_json_cannot_represent_are_refused(tmp_path):
    with pytest.raises(ValueError):
        write_record({"seconds": float("nan")}, tmp_path / "cost.json")
    with pytest.raises(TypeError):
        write_record({"path": tmp_path}, tmp_path / "cost.json")
    assert not list(tmp_path.iterdir())


def test_all_refusals_are_one_kind_of_error():
    assert issubclass(DamagedFileError, ResultFileError) and issubclass(StaleFileError, ResultFileError)


@pytest.mark.parametrize("name", ["x.npy", "inputs/mini-sd/digits/x.npy", "run/inputs/mini-sd/digits/x.npy"])
def test_only_the_folder_of_a_run_is_named_for_removal(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in (path, path.with_suffix(".json")):
        file.write_bytes(b"{}")
        with pytest.raises(DamagedFileError, match=f"`rm {file}`") as error:
            read_provenance(file)
        assert ("rm -r run`" in str(error.value)) == (name.startswith("run") and file.suffix == ".json")
        assert "rm -r" not in str(error.value) or name.startswith("run")


def test_a_file_is_made_from_its_sources_and_from_no_others(tmp_path):
    scores, cost = tmp_path / "scores.parquet", tmp_path / "cost.json"
    assert not is_made_from(scores, {})
    sources = {tmp_path / "x.npy": "1" * 64}
    write_parquet(pd.DataFrame({"score": [1.0]}), scores, sources)
    assert is_made_from(scores, sources)
    assert not is_made_from(scores, {tmp_path / "x.npy": "2" * 64}) and not is_made_from(scores, {})
    write_record({"calls": 5400}, cost, digests_of([scores]))
    assert is_made_from(cost, digests_of([scores]))
    cost.write_bytes(cost.read_bytes()[:-20])
    assert not is_made_from(cost, digests_of([scores]))
