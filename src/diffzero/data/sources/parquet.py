"""Test images in Parquet files, on disk or on the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from diffzero.data.file_listing import list_visible_files
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import HubSource, Source, TestSet
from diffzero.utils.fields import Text

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe


class Parquet(Source):
    """A Parquet file with one encoded image per row."""

    kind: Literal["parquet"]
    """A Parquet file."""
    path: Text
    """The file, or a folder of such files, relative to the root of the repository."""
    image: Text
    """Column with the bytes of a PNG, JPEG or WebP, plain or as `{bytes, path}`. If there is a further column `image`, it has the names."""
    label: Text
    """Column with the label: a number, 0 for the first class name, or the class's name."""

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every row; its name is its number, or the value of the column `image`."""
        path = root / self.path
        paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.is_file() else []
        if not paths:
            raise FileNotFoundError(
                f"{path}: not found; expected the Parquet file of {dataset.title}, or a folder of them (key source.path)."
            )
        return _load_rows(paths, [self._row_names(file, path.is_dir()) for file in paths], self, dataset)

    def _row_names(self, path: Path, in_folder: bool) -> list[str]:
        import pandas as pd
        import pyarrow.parquet as pq

        if "image" in pq.read_schema(path).names and self.image != "image":
            return pd.read_parquet(path, columns=["image"])["image"].astype(str).tolist()
        prefix = f"{path.stem}-" if in_folder else "row-"
        return [f"{prefix}{row:07d}" for row in range(pq.read_metadata(path).num_rows)]

    def describe(self) -> str:
        """Return the path."""
        return self.path

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return the size of the file or folder."""
        return probe.check_path(root / self.path)

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the file, or those in the folder."""
        path = root / self.path
        return {path.name: path} if path.is_file() else list_visible_files(path)


class Hub(HubSource):
    """Parquet files of a data set on the hub."""

    renamed_keys = {"config": "subset", "names": "label_names"}

    kind: Literal["hub"]
    """A repository of Parquet files on the data set hub."""
    subset: Text | None = None
    """Configuration of the repository, if it has several."""
    split: Text
    """Split that holds the test images, as the repository calls it."""
    image: Text
    """Column with the image."""
    label: Text
    """Column with the label. If the files name their classes, labels are matched by name, not by number."""
    label_names: list[Text] = Field([])
    """Class names in the order of this source's labels, if its files do not give them and the order is not that of `classnames`."""

    def owns_file(self, name: str) -> bool:
        """Return whether a file of the repository belongs to the split.

        Such a file is called `{subset}/{split}-00000-of-00001.parquet` or `{subset}/{split}/0000.parquet`.
        """
        path = PurePosixPath(name)
        folders = path.parts[:-1]
        in_split = path.stem == self.split or path.stem.startswith(f"{self.split}-") or self.split in folders
        return path.suffix == ".parquet" and in_split and (self.subset is None or self.subset in folders)

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every row of the split; its name is file and row, regardless of the selection."""
        import pyarrow.parquet as pq

        files = self.repository.file_sizes(self.owns_file)
        chosen = sorted(filter(self.owns_file, files))
        if not chosen:
            raise FileNotFoundError(
                f"{self.repo} at {self.revision}: found no Parquet file of split {self.split!r} among {len(files)} files. "
                "Download the images yourself and use `source: {kind: folder}` or `{kind: parquet}`."
            )
        folders = sorted({PurePosixPath(name).parent.as_posix() for name in chosen})
        if len(folders) > 1:
            raise ValueError(
                f"{self.repo}: found split {self.split!r} in {', '.join(folders)}, expected one folder. Write `subset`."
            )
        folder = self.repository.download_files(self.owns_file)
        paths = [folder / name for name in chosen]
        rows = [range(pq.read_metadata(path).num_rows) for path in paths]
        names = [[f"{path.stem}-{row:06d}" for row in mine] for path, mine in zip(paths, rows, strict=True)]
        return _load_rows(paths, names, self, dataset)


def stored_class_names(path: Path, column: str) -> list[str]:
    """Return the class names that the library `datasets` stores beside a label column; an empty list if there are none."""
    import pyarrow.parquet as pq

    stored = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
    return stored.get("info", {}).get("features", {}).get(column, {}).get("names") or []


def _load_rows(paths: list[Path], names: list[list[str]], source: Parquet | Hub, dataset: Dataset) -> TestSet:
    """Return the rows of these files under the names [file][row]."""
    import pandas as pd
    import pyarrow.parquet as pq

    for path in paths:
        columns = pq.read_schema(path).names
        for column in (source.image, source.label):
            if column not in columns:
                raise ValueError(
                    f"{path}: found columns {columns}, expected {column!r} (keys source.image and source.label)."
                )
    declared = source.label_names if isinstance(source, Hub) else []
    label_map = LabelMap(dataset, stored_class_names(paths[0], source.label) or declared)
    labels = [
        label_map.to_label(label)
        for path in paths
        for label in pd.read_parquet(path, columns=[source.label])[source.label].tolist()
    ]

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        return {
            name: data
            for path, mine in zip(paths, names, strict=True)
            for name, data in _read_cells(path, mine, source.image, set(wanted))
        }

    return TestSet([name for mine in names for name in mine], labels, read)


def _read_cells(path: Path, names: list[str], column: str, wanted: set[str]) -> list[tuple[str, bytes]]:
    """Return the wanted images of one file, with one row group in memory at a time. A cell is bytes, or a struct with a field `bytes`."""
    import pyarrow.parquet as pq

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
