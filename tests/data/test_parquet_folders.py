"""Parquet files that are not all images of the test set: hidden and other files, pipes, empty cells, odd metadata."""

import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diffzero.data.decode import ImageError
from diffzero.data.selection import load_test_images
from image_folders import NAMES, animals, encoded
from source_files import parquet

SOURCE = {"kind": "parquet", "path": "images", "image": "img", "label": "label"}


def stored(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


@pytest.fixture
def parquet_dir(tmp_path: Path) -> Path:
    """Return a folder with a Parquet file of one image per class."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "test.parquet").write_bytes(parquet("img", "label", [(k, k) for k in range(3)], None))
    return tmp_path / "images"


def load(parquet_dir: Path, **settings: object):
    source = {**SOURCE, **{key: settings.pop(key) for key in ("split", "path") if key in settings}}
    return load_test_images(animals(source, **settings), 100, 0, parquet_dir.parent)


@pytest.mark.parametrize("content", [b"\0\5\x16\7" + bytes(99), parquet("img", "label", [(0, 0)], None)])
def test_hidden_files_are_left_out_and_counted(parquet_dir, content):
    for name in ("._test.parquet", ".tmp.parquet"):
        (parquet_dir / name).write_bytes(content)
    found = load(parquet_dir)
    assert len(found) == 3
    assert found.attrs["account"]["outside_classes"] == {"hidden or derived by another program": 2}


def test_files_of_other_splits_and_other_files_are_counted(parquet_dir):
    (parquet_dir / "train.parquet").write_bytes((parquet_dir / "test.parquet").read_bytes())
    (parquet_dir / "more.pq").write_bytes(b"PAR1")
    account = load(parquet_dir, split="test").attrs["account"]
    assert account["outside_classes"] == {"Parquet file of another split": 1, "not a Parquet file": 1}


def test_a_pipe_is_refused_and_not_opened(parquet_dir):
    os.mkfifo(parquet_dir / "test2.parquet")
    for path, name in (("images", "test2.parquet"), ("images/test2.parquet", "test2.parquet")):
        with pytest.raises(
            ValueError, match=rf"{name}: found a folder, pipe, socket or device, expected a Parquet file"
        ):
            load(parquet_dir, path=path)


def test_a_folder_without_parquet_files_is_called_that(parquet_dir):
    (parquet_dir / "test.parquet").rename(parquet_dir / "test.csv")
    with pytest.raises(FileNotFoundError, match=r"images: found no Parquet file \(\*\.parquet\) in this folder"):
        load(parquet_dir)
    with pytest.raises(FileNotFoundError, match="elsewhere: not found"):
        load(parquet_dir, path="elsewhere")


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"bytes": data, "path": "x.png"}])
def test_rows_without_bytes_are_unreadable_images(parquet_dir, wrap):
    cells = [wrap(encoded(0)), wrap(encoded(1)), wrap(encoded(2)), wrap(None), wrap(b""), wrap(None)]
    (parquet_dir / "test.parquet").write_bytes(stored(pa.table({"img": cells, "label": [0, 1, 2, 0, 1, 2]})))
    with pytest.raises(ImageError, match="found 3 images that cannot be decoded") as error:
        load(parquet_dir)
    for row, name in ((3, "cat"), (4, "dog"), (5, "owl")):
        assert f"image test-000000{row} (class {name!r}): no bytes" in str(error.value)
    found = load(parquet_dir, unreadable="skip")
    assert len(found) == 3 and len(found.attrs["account"]["unreadable"]) == 3


@pytest.mark.parametrize(("names", "shown"), [(["cat", None, "owl"], "None"), ([0, 1, 2], "0"), ("cat", "'cat'")])
def test_class_names_that_are_no_texts_are_refused_with_the_file(parquet_dir, names, shown):
    table = pq.read_table(parquet_dir / "test.parquet")
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    (parquet_dir / "test.parquet").write_bytes(stored(table.replace_schema_metadata(metadata)))
    with pytest.raises(ValueError, match=f"test.parquet: found {shown} among the class names of column 'label'"):
        load(parquet_dir)


def test_two_columns_of_one_name_are_refused_with_the_file(parquet_dir):
    columns = [pa.array([encoded(k) for k in range(3)]), pa.array([0, 1, 2]), pa.array([2, 1, 0])]
    (parquet_dir / "test.parquet").write_bytes(stored(pa.Table.from_arrays(columns, names=["img", "label", "label"])))
    with pytest.raises(ValueError, match="test.parquet: found 2 columns 'label', expected one"):
        load(parquet_dir)


def test_numbers_that_are_names_of_other_classes_are_refused_with_file_and_row(parquet_dir):
    with pytest.raises(
        ValueError, match=r"test.parquet, row 0: Animals: found label 0, which is the name of class number 2"
    ):
        load(parquet_dir, names=["2", "1", "0"])
    assert len(NAMES) == 3
