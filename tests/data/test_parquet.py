"""Parquet files on disk: class names of all shards, labels, splits, damaged files."""

import logging
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diffzero.config import Dataset
from diffzero.data.selection import load_test_images
from source_files import parquet, picture

NAMES = ["ant", "bee", "cat", "dog", "emu", "fox", "owl", "truck"]


def dataset(path: str = "data", **source) -> Dataset:
    block = {"kind": "parquet", "path": path, "image": "img", "label": "label", **source}
    values = {"title": "Things", "classnames": NAMES, "prompt_templates": ["a {}."], "licence": "MIT", "source": block}
    return Dataset.model_validate(values)


@pytest.fixture
def shards(tmp_path):
    """Return a function that writes files, named below `data`, and returns the root of the repository."""

    def write(**files: bytes):
        for name, data in files.items():
            path = tmp_path / "data" / f"{name.replace('__', '/').replace('_', '-')}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path

    return write


def everything(names: list[str] | None = NAMES) -> bytes:
    """Return a file with one image per class; image k shows class k."""
    return parquet("img", "label", [(k, k) for k in range(len(NAMES))], names)


def labelled(values: list, type: pa.DataType | None = None) -> bytes:
    """Return a file with these labels."""
    stream = pa.BufferOutputStream()
    images = [picture(k) for k in range(len(values))]
    pq.write_table(pa.table({"img": pa.array(images, pa.binary()), "label": pa.array(values, type)}), stream)
    return stream.getvalue().to_pybytes()


def load(root, **source):
    return load_test_images(dataset(**source), 1000, 0, root)


def test_class_names_of_every_shard_are_compared(shards):
    swapped = [NAMES[1], NAMES[0], *NAMES[2:]]
    with pytest.raises(
        ValueError, match="part-1.parquet: found 'bee' as the name of label 0 .* expected 'ant' as in .*part-0"
    ):
        load(shards(part_0=everything(), part_1=everything(swapped)))
    with pytest.raises(ValueError, match="part-1.parquet: found no class as the name of label 0"):
        load(shards(part_1=everything(None)))
    with pytest.raises(ValueError, match="part-1.parquet: found no class as the name of label 7"):
        load(shards(part_1=everything(NAMES[:7])))
    assert len(load(shards(part_1=everything()))) == 16


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([*NAMES[:7], "lion"], "found a class 'lion' in the source (1 of its 8 names are unknown)"),
        ([*NAMES[:6], "lion", "tiger"], "found a class 'lion' in the source (2 of its 8 names are unknown)"),
        (NAMES[:7], "found 7 class names in the source, expected 8; not there: truck"),
        ([name.upper() for name in NAMES], "Did you mean 'ANT' for class 'ant'"),
        ([f"class {k}" for k in range(8)], 'source_classnames: ["class 0", "class 1"'),
    ],
)
def test_class_names_that_are_not_those_of_the_data_set_are_refused_with_the_file(shards, names, message):
    with pytest.raises(ValueError) as error:
        load(shards(part_0=everything(names)))
    assert message in str(error.value) and "part-0.parquet" in str(error.value)


def test_label_names_replace_the_names_in_the_files_and_the_log_says_so(shards, caplog):
    root = shards(part_0=everything([f"class {k}" for k in range(8)]))
    with caplog.at_level(logging.WARNING):
        found = load(root, label_names=NAMES[::-1])
    assert {row.bytes: row.label for row in found.itertuples()} == {picture(k): 7 - k for k in range(8)}
    assert "`label_names` replace the class names in the files (class 0, ...)" in caplog.text
    with pytest.raises(ValueError, match="found 7 `label_names` for 8 class names in the file"):
        load(root, label_names=NAMES[:7])


@pytest.mark.parametrize(
    ("values", "type", "message"),
    [
        ([0, -1], None, "row 1: Things: found label -1, expected 0..7. A negative label"),
        ([0, 8], None, "row 1: Things: found label 8, expected 0..7"),
        ([0.0, math.nan], None, "row 1: Things: found label nan, expected 0..7 or a class name. The image has no label"),
        ([0, None], None, "row 1: Things: found label None, expected 0..7 or a class name. The image has no label"),
        (["ant", None], None, "row 1: Things: found label None"),
        ([0.0, 1.5], None, "row 1: Things: found label 1.5"),
        (["ant", "Bee"], None, "row 1: Things: found label 'Bee', expected a class name. Did you mean 'Bee' for class 'bee'"),
        (list(range(1, 9)), None, "row 7: Things: found label 8, expected 0..7. The labels are 1..8: they count from 1"),
        ([True, False], None, "found bool in column 'label', expected whole numbers or text"),
        ([[0], [1]], None, "found list<element: int64> in column 'label'"),
        ([{"id": 0}, {"id": 1}], None, "found struct<id: int64> in column 'label'"),
        ([b"ant", b"bee"], None, "found binary in column 'label'"),
    ],
)  # fmt: skip
def test_a_label_without_a_class_is_named_with_file_row_and_value(shards, values, type, message):
    root = shards(part_0=everything(None), part_1=labelled(values, type))
    if "count from 1" in message:
        (root / "data/part-0.parquet").unlink()
    with pytest.raises(ValueError) as error:
        load(root)
    assert f"part-1.parquet{',' if message.startswith('row') else ':'} {message}" in str(error.value)


@pytest.mark.parametrize("type", [pa.int8(), pa.uint64(), pa.float32(), pa.dictionary(pa.int8(), pa.int64())])
def test_whole_numbers_of_any_type_are_labels(shards, type):
    found = load(shards(part_0=labelled(list(range(8)), pa.int64()), part_1=labelled([3] * 8, type)))
    assert sorted(found["label"])[3:12] == [3] * 9


def test_a_struct_column_beside_the_images_is_never_taken_for_names(shards):
    cells = [{"bytes": picture(k), "path": "same.png"} for k in range(8)]
    rows, numbers = [(k, k) for k in range(8)], [f"part-0-{row:07d}" for row in range(8)]

    def found(column: list) -> list[str]:
        return sorted(load(shards(part_0=parquet("img", "label", rows, None, **{"image": column})))["image"])

    assert found(cells) == found([[k] for k in range(8)]) == found([b"same"] * 8) == numbers
    assert found([f"{k}.png" for k in range(8)]) == [f"{k}.png" for k in range(8)]
    with pytest.raises(ValueError, match="part-0.parquet, row 7: found no name in column 'image'"):
        found([*"abcdefg", None])


def corrupt(data: bytes) -> bytes:
    middle = np.frombuffer(data, dtype=np.uint8).copy()
    middle[60:-2000] ^= 0x5A
    return middle.tobytes()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("part_1", lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "found a Git LFS pointer"),
        ("part_1", lambda data: data[: len(data) // 2], "found a damaged or truncated Parquet file. Download it again"),
        ("part_1", lambda data: data[:-1], "found a damaged or truncated Parquet file"),
        ("part_1", lambda data: b"", "found an empty file"),
        ("part_1", lambda data: b"<!DOCTYPE html><html>", "found no Parquet file (it begins with b'<!DOCTYPE html>"),
        ("part_1", lambda data: b"/annex/objects/SHA256E-s12--ab.parquet\n", "found a git-annex pointer"),
        ("part_1", lambda data: b"\0\5\x16\7" + bytes(99), "found a file that macOS writes beside others"),
        ("part_1", corrupt, "found a damaged or truncated Parquet file"),
    ],
)  # fmt: skip
def test_errors_of_arrow_name_the_file_and_what_to_do(shards, name, make, message):
    root = shards(part_0=everything())
    path = root / "data" / f"{name.replace('part_', 'part-')}.parquet"
    path.write_bytes(make(everything()))
    with pytest.raises(ValueError) as error:
        load(root)
    assert str(error.value).startswith(f"{path}: {message}")
    path.rename(root / "alone.parquet")
    with pytest.raises(ValueError) as error:
        load(root, path="alone.parquet")
    assert str(error.value).startswith(f"{root / 'alone.parquet'}: {message}")


def test_metadata_that_cannot_be_read_and_a_dangling_link_are_named(shards):
    table = pq.read_table(pa.BufferReader(everything())).replace_schema_metadata({"huggingface": "{"})
    root = shards()
    (root / "data").mkdir()
    pq.write_table(table, root / "data/part.parquet")
    with pytest.raises(ValueError, match="part.parquet: found metadata of the library `datasets` that cannot be read"):
        load(root)
    (root / "data/part.parquet").unlink()
    (root / "data/part.parquet").symlink_to(root / ".git/annex/objects/x")
    with pytest.raises(FileNotFoundError, match="part.parquet"):
        load(root)


@pytest.mark.parametrize(
    ("files", "split"),
    [
        (["train_00000_of_00001", "test_00000_of_00001"], "test"),
        (["train", "test", "validation"], "test"),
        (["mnist_train", "mnist_test"], "mnist-test"),
        (["test_hard", "test"], "test"),
        (["train__0000", "test__0000"], "test"),
        (["spring__0000", "autumn__0000"], "autumn"),
        (["train_00000_of_00001_0123abcd", "test_00000_of_00001_4567cdef"], "test"),
        (["alpha_00000_of_00001", "beta_00000_of_00001"], "beta"),
        (["holdout", "rest"], "holdout"),
    ],
)
def test_several_splits_are_refused_until_one_is_chosen(shards, files, split):
    root = shards(**{name: everything() for name in files})
    with pytest.raises(ValueError, match="found Parquet files of several splits") as error:
        load(root)
    assert f"`split: {split}`" in str(error.value)
    found = load(root, split=split)
    assert len(found) == 8 and set(found["source"]) == {f"data, {split}"}
    with pytest.raises(FileNotFoundError, match="found no Parquet file of split 'nothing'; found "):
        load(root, split="nothing")


def test_a_missing_shard_and_shards_of_two_versions_are_refused(shards):
    with pytest.raises(ValueError, match="found 1 files test-…-of-…, expected 2"):
        load(shards(test_00001_of_00002=everything()))
    with pytest.raises(ValueError, match="found 2 files test-…-of-…, expected 1, 2"):
        load(shards(test_00000_of_00001=everything()))
    with pytest.raises(ValueError, match="found its Parquet files in ., a, expected one folder"):
        load(shards(a__test=everything()), split="test")


def test_files_in_one_sub_folder_are_found_and_hidden_folders_are_not_searched(shards):
    root = shards(inner__part_0=everything(), inner__part_1=everything())
    for hidden in (".ipynb_checkpoints", "__MACOSX", "inner/.cache"):
        (root / "data" / hidden).mkdir()
        (root / "data" / hidden / "part-0.parquet").write_bytes(everything())
    (root / "data/inner/notes.json").write_text("{}")
    assert sorted(load(root)["image"]) == [f"part-{part}-{row:07d}" for part in range(2) for row in range(8)]
