"""Test images in an archive with one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from diffzero.data.file_listing import is_hidden, printable_name
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import TestSet
from diffzero.data.sources.class_folders import (
    HIDDEN,
    IGNORED,
    OUTSIDE,
    ClassFile,
    ClassFiles,
    Ignored,
    require_matching_folders,
    require_one_class,
)

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset


def load_archive(archive: Path, dataset: Dataset, ignore: Sequence[str], splits: Sequence[str]) -> TestSet:
    """Return every image below the folder of a class, at any depth; named `class/file`, as in a folder of the same images.

    Parameters
    ----------
    archive : Path
        A tar or zip archive.
    dataset : Dataset
        The data set that it belongs to.
    ignore, splits : sequence of str
        The keys `ignore` and `split` of the source.

    Raises
    ------
    OSError, ValueError
        A class has no images or folders in several places, images are in no class or in two, or the archive is corrupt.
    """
    from diffzero.download.archives import iter_members

    listing = _Listing(archive, LabelMap(dataset), Ignored(ignore), splits)
    listing.read()
    images = listing.found.images(splits)
    require_one_class(images, listing.label_map, str(archive))

    def read(files: list[ClassFile]) -> dict[str, bytes]:
        name_of = {file.location: file.name for file in files}
        return {name_of[member]: data for member, data in iter_members(archive, name_of.__contains__)}

    return listing.found.to_test_set(images, read)


class _Listing:
    """The files of an archive, by class."""

    def __init__(self, archive: Path, label_map: LabelMap, ignored: Ignored, splits: Sequence[str]) -> None:
        self.archive, self.label_map, self.ignored, self.splits = archive, label_map, ignored, splits
        self.found = ClassFiles(str(archive))
        self._outside: list[tuple[str, ...]] = []

    def read(self) -> None:
        """List the archive. Raises an error for images that belong to no class or to two."""
        from diffzero.data.decode import HEAD_BYTES
        from diffzero.download.archives import iter_heads

        for head in iter_heads(self.archive, HEAD_BYTES):
            self._add(head.name, head.data, head.problem)
        self.ignored.require_all_used(self.found.place)
        self._require_classes()

    def _add(self, member: str, head: bytes, problem: str) -> None:
        parts = PurePosixPath(printable_name(member)).parts
        depth = self._class_depth(parts)
        label = None if depth is None else self.label_map.find(parts[depth])
        hidden = [k for k, part in enumerate(parts) if k != depth and is_hidden(part)]
        if hidden:
            return self.found.skip(label if depth is None or hidden[0] > depth else None, HIDDEN)
        if "/".join(parts) in self.ignored:
            return self.found.skip(label, IGNORED)
        if depth is None or label is None:
            if ClassFile("/".join(parts), (), (), -1, member, head, problem).is_image:
                return self._outside.append(parts)
            return self.found.skip(None, OUTSIDE)
        # With several splits, images of one class may have equal names.
        split = [part for part in parts[:depth] if part in self.splits] if len(self.splits) > 1 else []
        name, above, below = "/".join([*split, *parts[depth:]]), parts[:depth], parts[depth + 1 : -1]
        return self.found.files.append(ClassFile(name, above, below, label, member, head, problem))

    def _class_depth(self, parts: tuple[str, ...]) -> int | None:
        """Return the position of the outermost folder with the name of a class; a split may have such a name, too ("train")."""
        depths = [k for k, part in enumerate(parts[:-1]) if self.label_map.find(part) is not None]
        return next((k for k in depths if parts[k] not in self.splits), depths[-1] if depths else None)

    def _require_classes(self) -> None:
        """Raise an error if a class has no folder, or images are in no class."""
        images = [file for file in self.found.files if file.is_image]
        # Folders above those of the classes.
        shared = {file.above[:k] for file in images for k in range(len(file.above) + 1)}
        unknown: dict[str, None] = {}
        strays = []
        for parts in self._outside:
            folders = [parts[:k] for k in range(1, len(parts))] if shared else [parts[:-1]]
            folder = next((folder for folder in folders if folder not in shared), ())
            if folder:
                unknown["/".join(folder)] = None
            else:
                strays.append("/".join(parts))
        found = {file.label for file in self.found.files}
        require_matching_folders(self.found.place, self.label_map, found, list(unknown), strays)
