"""Test images in Parquet files, on disk or on the hub."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from diffzero.data.class_names import ClassNames
from diffzero.data.file_listing import list_visible_files
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import HubSource, Source, TestSet
from diffzero.data.sources.parquet_files import (
    Shard,
    count_skipped,
    find_files,
    is_in_split,
    require_all_shards,
    shared_class_names,
)
from diffzero.utils.fields import Text

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe

log = logging.getLogger(__name__)


class Parquet(Source):
    """A Parquet file with one encoded image per row."""

    kind: Literal["parquet"]
    """A Parquet file."""
    path: Text
    """The file, or a folder of such files, relative to the root of the repository."""
    split: Text | None = None
    """For a folder with several splits: the one with the test images, by the names of its files or sub-folders (`test-*`, `test/*`)."""
    image: Text
    """Column with the bytes of a PNG, JPEG or WebP, plain or as `{bytes, path}`. If there is a further column `image` of text or whole
    numbers, it has the names."""
    label: Text
    """Column with the label: a whole number, 0 for the first class name, or the class's name."""
    label_names: ClassNames = Field([])
    """Class names in the order of this source's labels, if that is not the order of `classnames`. They replace names in the files."""

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every row; its name is its number, or the value of the column `image`."""
        path = root / self.path
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: not found; expected the Parquet file of {dataset.title}, or a folder of them (key source.path)."
            )
        paths = find_files(path, self.split) if path.is_dir() else [path]
        shards = [Shard(path) for path in paths]
        names = [shard.row_names(f"{shard.path.stem}-" if path.is_dir() else "row-", self.image) for shard in shards]
        rows = _load_rows(shards, names, self, dataset)
        return replace(rows, skipped=count_skipped(path, paths)) if path.is_dir() else rows

    def describe(self) -> str:
        """Return the path and the split."""
        return f"{self.path}, {self.split}" if self.split else self.path

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
    label_names: ClassNames = Field([])
    """Class names in the order of this source's labels, if that is not the order of `classnames`. They replace names in the files."""

    def owns_file(self, name: str) -> bool:
        """Return whether a file of the repository belongs to the split.

        Such a file is called `{subset}/{split}-00000-of-00001.parquet` or `{subset}/{split}/0000.parquet`.
        """
        path = PurePosixPath(name)
        folders = path.parts[:-1]
        return (
            path.suffix == ".parquet"
            and is_in_split(name, self.split)
            and (self.subset is None or self.subset in folders)
        )

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every row of the split; its name is file and row, regardless of the selection."""
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
        require_all_shards(chosen, self.repo)
        folder = self.repository.download_files(self.owns_file)
        shards = [Shard(folder / name) for name in chosen]
        names = [[f"{shard.path.stem}-{row:06d}" for row in range(shard.open().metadata.num_rows)] for shard in shards]
        return _load_rows(shards, names, self, dataset)


def _load_rows(shards: list[Shard], names: list[list[str]], source: Parquet | Hub, dataset: Dataset) -> TestSet:
    """Return the rows of these files under the names [file][row]."""
    for shard in shards:
        shard.require_columns(source.image, source.label)
    stored = shared_class_names(shards, source.label)
    if source.label_names and stored and list(source.label_names) != stored:
        if len(source.label_names) != len(stored):
            raise ValueError(
                f"{shards[0].path}: found {len(source.label_names)} `label_names` for {len(stored)} class names in the file "
                f"({stored[0]}, ...), expected one each."
            )
        log.warning("%s: `label_names` replace the class names in the files (%s, ...)", dataset.title, stored[0])
    label_map = LabelMap(
        dataset,
        source.label_names or stored,
        "" if source.label_names else str(shards[0].path),
        partial=bool(source.label_names) and dataset.allow_empty,
    )
    starts = list(accumulate((len(mine) for mine in names), initial=0))

    def place(k: int) -> str:
        file = bisect_right(starts, k) - 1
        return f"{shards[file].path}, row {k - starts[file]}"

    labels = label_map.to_labels([label for shard in shards for label in shard.values(source.label)], place)

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        """Return the encoded images of some names."""
        chosen, found = set(wanted), {}
        for shard, mine in zip(shards, names, strict=True):
            rows = [row for row, name in enumerate(mine) if name in chosen]
            found.update({mine[row]: data for row, data in shard.read_cells(source.image, rows)})
        return found

    return TestSet([name for mine in names for name in mine], labels, read)
