"""Test images in Parquet files, on disk or on the hub."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from diffzero.config import Dataset, Hub, Parquet
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import TestSet, make_test_set, owns_file
from diffzero.download.hub import HubRepo


def load_file(source: Parquet, dataset: Dataset, root: Path) -> TestSet:
    """Every row of a Parquet file, or of those in a folder; its number is the image's name where there is no column `image` of names."""
    path = root / source.path
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.is_file() else []
    if not paths:
        raise FileNotFoundError(
            f"{path}: not there; expected the Parquet file of {dataset.title}, or a folder of them (key source.path)."
        )
    return _test_set(paths, [_names(file, source, path.is_dir()) for file in paths], source, dataset)


def _names(path: Path, source: Parquet, one_of_many: bool) -> list[str]:
    """The names of a file's images."""
    if "image" in pq.read_schema(path).names and source.image != "image":
        return pd.read_parquet(path, columns=["image"])["image"].astype(str).tolist()
    start = f"{path.stem}-" if one_of_many else "row-"
    return [f"{start}{k:07d}" for k in range(pq.read_metadata(path).num_rows)]


def load_hub(source: Hub, dataset: Dataset, root: Path) -> TestSet:
    """Every row of the split's Parquet files; names are file and row, so that they do not move with the selection."""
    wanted = lambda name: owns_file(source, name)  # noqa: E731
    repo = HubRepo(source.repo, source.revision, "dataset")
    files = repo.file_sizes(wanted)
    chosen = sorted(filter(wanted, files))
    if not chosen:
        raise FileNotFoundError(
            f"{source.repo} at {source.revision}: found no Parquet file of split {source.split!r} among {len(files)} files. "
            "Download the images yourself and use `source: {kind: folder}` or `{kind: parquet}`."
        )
    if len({Path(name).parent for name in chosen}) > 1:
        folders = sorted({Path(name).parent.as_posix() for name in chosen})
        raise ValueError(
            f"{source.repo}: found split {source.split!r} in {', '.join(folders)}, expected one folder. Write `config`."
        )
    folder = repo.download_files(wanted)
    paths = [folder / name for name in chosen]
    names = [
        [f"{Path(name).stem}-{row:06d}" for row in range(pq.read_metadata(path).num_rows)]
        for name, path in zip(chosen, paths, strict=True)
    ]
    return _test_set(paths, names, source, dataset)


def class_names(path: Path, column: str) -> list[str]:
    """The class names that the `datasets` library stores beside a label column; none where there are none."""
    stored = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
    return stored.get("info", {}).get("features", {}).get(column, {}).get("names") or []


def _test_set(paths: list[Path], names: list[list[str]], source: Parquet | Hub, dataset: Dataset) -> TestSet:
    """The rows of these files under these names [file][row]."""
    for path in paths:
        columns = pq.read_schema(path).names
        for column in (source.image, source.label):
            if column not in columns:
                raise ValueError(
                    f"{path}: found columns {columns}, expected {column!r} (keys source.image and source.label)."
                )
    declared = source.label_names if isinstance(source, Hub) else []
    classes = LabelMap(dataset, class_names(paths[0], source.label) or declared)
    labels = [
        classes(v) for path in paths for v in pd.read_parquet(path, columns=[source.label])[source.label].tolist()
    ]

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        return {
            key: data
            for path, mine in zip(paths, names, strict=True)
            for key, data in _cells(path, mine, source.image, set(wanted))
        }

    return make_test_set([name for mine in names for name in mine], labels, read)


def _cells(path: Path, names: list[str], column: str, wanted: set[str]) -> list[tuple[str, bytes]]:
    """The wanted pictures of one file, a row group in memory at a time. A cell is bytes, or a struct whose `bytes` they are."""
    found, file, first = [], pq.ParquetFile(path), 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        rows = [row for row in range(first, last) if names[row] in wanted]
        if rows:
            cells = file.read_row_group(group, columns=[column]).column(column).take([row - first for row in rows])
            for row, cell in zip(rows, cells.to_pylist(), strict=True):
                data = cell.get("bytes") if isinstance(cell, dict) else cell
                if not isinstance(data, bytes):
                    raise ValueError(
                        f"{path}, row {row}: found {type(data).__name__} in column {column!r}, expected the bytes of an image file."
                    )
                found.append((names[row], data))
        first = last
    return found
