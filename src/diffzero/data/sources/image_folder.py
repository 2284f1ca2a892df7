"""Test images in a folder with one sub-folder per class."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from diffzero.data.class_names import nfc
from diffzero.data.file_listing import is_folder, is_hidden, list_visible_files, printable_name
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import Source, TestSet
from diffzero.data.sources.class_folders import (
    HIDDEN,
    IGNORED,
    OUTSIDE,
    SPLIT,
    ClassFile,
    ClassFiles,
    Ignored,
    Splits,
    as_list,
    as_yaml,
    require_matching_folders,
    require_one_class,
)
from diffzero.utils.fields import Text

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe


class Folder(Source):
    """A folder with one sub-folder of images per class."""

    kind: Literal["folder"]
    """A folder of images."""
    path: Text
    """The folder, relative to the root of the repository. Sub-folders have the names of the classes, or those in `source_classnames`."""
    split: Splits = Field([])
    """Name of the folder of the test images, if there are several splits: above the folders of the classes or in them."""
    ignore: list[Text] = Field([])
    """Files and folders to leave out, each by its name or the end of its path, at any depth: `unsorted`, `cat/rejected`."""

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every image below the sub-folder of a class, named by its path."""
        folder = root / self.path
        if not folder.is_dir():
            found = "found a file" if folder.exists() else "not found"
            raise FileNotFoundError(
                f"{folder}: {found}; expected a folder with one sub-folder per class of {dataset.title} (key source.path)."
            )
        splits = as_list(self.split)
        scan = FolderScan(folder, LabelMap(dataset), Ignored(self.ignore))
        above = [split for split in splits if (folder / split).is_dir() and not scan.label_map.contains(split)]
        for split in above or [""]:
            scan.add_classes(split, is_named=len(above) > 1)
        scan.follow_links()
        scan.ignored.require_all_used(scan.found.place)
        images = scan.found.images(splits)
        require_one_class(images, scan.label_map, scan.found.place)
        return scan.found.to_test_set(
            images, lambda files: {file.name: Path(file.location).read_bytes() for file in files}
        )

    def describe(self) -> str:
        """Return the path."""
        return self.path

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return the size of the folder."""
        return probe.check_path(root / self.path)

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the files in the folder."""
        return list_visible_files(root / self.path)

    def files_of_hidden_classes(self, root: Path, names: Collection[str]) -> Mapping[str, Path]:
        """Return the files of classes with names such as `.NET`."""
        known, found, folder = {nfc(name) for name in names if is_hidden(name)}, {}, root / self.path
        for split in ["", *(f"{name}/" for name in as_list(self.split))] if known else []:
            for name in filter(lambda name: nfc(name) in known, _names(folder / split)):
                files = list_visible_files(folder / split / name)
                found.update({f"{split}{name}/{file}": path for file, path in files.items()})
        return found


class FolderScan:
    """The files of a folder, by class. Links are followed, but no folder is read twice."""

    def __init__(self, images_dir: Path, label_map: LabelMap, ignored: Ignored) -> None:
        self.images_dir, self.label_map, self.ignored = images_dir, label_map, ignored
        self.found = ClassFiles(str(images_dir))
        self._seen: dict[tuple[int, int], int | None] = {}
        # A link to a folder above the classes leads to images of all of them.
        for above in (images_dir, *images_dir.resolve().parents):
            with suppress(OSError):  # a folder above may be closed to the user
                self._seen[_identity(above)] = None
        self._links: list[tuple[Path, _Place]] = []
        self._linked_files: list[tuple[os.DirEntry[str], ClassFile]] = []
        self._label_of_file: dict[tuple[int, int], int] = {}

    def add_classes(self, split: str, is_named: bool) -> None:
        """Read the folders of the classes in the folder of a split ("": in the folder itself), whose name images bear if `is_named`.

        Raises
        ------
        OSError, ValueError
            A class has no folder, a folder or an image belongs to no class, or a folder may not be read.
        """
        folder, above = self.images_dir / split, (split,) if split else ()
        place, prefix = str(folder), f"{split}/" if is_named else ""
        self._seen[_identity(folder)] = None
        classes: list[tuple[int, os.DirEntry[str]]] = []
        unknown, strays = [], []
        for entry in _entries(folder, place):
            name, label = printable_name(entry.name), self.label_map.find(printable_name(entry.name))
            is_class = label is not None and is_folder(entry)
            if "/".join([*above, name]) in self.ignored:
                self.found.skip(label if is_class else None, IGNORED)
            elif label is not None and is_class:
                classes.append((label, entry))
            elif is_hidden(name):
                self.found.skip(None, HIDDEN)
            elif is_folder(entry):
                unknown.append(name)
            elif ClassFile(name, (), (), -1, entry.path, *_read_head(entry)).is_image:
                strays.append(name)
            else:
                self.found.skip(None, OUTSIDE)
        labels = [label for label, _ in classes]
        require_matching_folders(place, self.label_map, labels, unknown, strays, self._advise(folder, unknown))
        for label, entry in sorted(classes, key=lambda pair: (pair[0], pair[1].name)):
            self._visit(Path(entry.path), _Place(prefix + printable_name(entry.name), above, (), label))

    def _advise(self, split_dir: Path, unknown: list[str]) -> str:
        """Return what to do if the folders of the classes are one folder deeper; "" if they are not."""
        deeper = [name for name in unknown if any(self.label_map.contains(n) for n in _names(split_dir / name))]
        splits = [name for name in deeper if SPLIT.fullmatch(name)]
        if splits:
            test = next((name for name in splits if name.lower().startswith("test")), splits[0])
            return f"The folders of the classes are in {', '.join(map(repr, deeper))}: write `split: {test}` in the source to use one."
        if deeper:
            return f"The folders of the classes are in {', '.join(map(repr, deeper))}: set `path: {split_dir / deeper[0]}` in the source."
        return ""

    def follow_links(self) -> None:
        """Read what links lead to: last, so that images keep the names of their own folders.

        Raises ValueError for a link to a folder or an image of another class.
        """
        while self._links:
            self._visit(*self._links.pop(0))
        for entry, file in self._linked_files:
            if file.is_image and not file.problem:
                other = self._label_of_file.get(_identity(Path(entry.path)), file.label)
                self._require_same_class(file.name, file.label, other, "an image")

    def _require_same_class(self, name: str, label: int, other: int, what: str) -> None:
        """Raise ValueError if a link below the folder of one class leads to a folder or image of another."""
        names = self.label_map.names
        if other != label:
            raise ValueError(
                f"{self.found.place}: found {name!r} of class {names[label]!r}, a link to {what} of class {names[other]!r}, expected one "
                f"class per image. Remove the link, or write `ignore: {as_yaml([name])}`."
            )

    def _visit(self, class_dir: Path, place: _Place) -> None:
        """Read a folder of a class and those below it. Raises OSError if it may not be read, ValueError if it belongs to another class."""
        name, label, class_name = place.name, place.label, self.label_map.names[place.label]
        identity = _identity(class_dir)
        if identity in self._seen:
            other = self._seen[identity]
            self._require_same_class(name, label, label if other is None else other, "a folder")
            return self.found.skip(label, "a link to a folder that is read already")
        self._seen[identity] = label
        for entry in _entries(class_dir, f"{self.found.place}: {name!r}, of class {class_name!r}"):
            inner = replace(place, name=f"{name}/{printable_name(entry.name)}")
            if inner.name in self.ignored:
                self.found.skip(label, IGNORED)
            elif is_hidden(entry.name):
                self.found.skip(label, HIDDEN)
            elif not is_folder(entry):
                head, problem = _read_head(entry)
                file = ClassFile(inner.name, place.above, place.below, label, entry.path, head, problem)
                if entry.is_symlink():
                    self._linked_files.append((entry, file))
                else:
                    self._label_of_file[identity[0], entry.inode()] = label
                self.found.files.append(file)
            elif entry.is_symlink():
                self._links.append((Path(entry.path), replace(inner, below=(*place.below, entry.name))))
            else:
                self._visit(Path(entry.path), replace(inner, below=(*place.below, entry.name)))
        return None


@dataclass(frozen=True)
class _Place:
    """The place of a folder: its name in the names of images, and the folders above and below that of its class."""

    name: str
    above: tuple[str, ...]
    below: tuple[str, ...]
    label: int


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _entries(path: Path, place: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, sorted by name. An OSError begins with `place`."""
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise type(error)(
            f"{place}: the folder cannot be read ({error.strerror}), so its images are unknown. Change its permissions "
            f"(chmod a+rX), or leave it out: `ignore: {as_yaml([path.name])}`."
        ) from error


def _names(path: Path) -> list[str]:
    """Return the names in a folder; none if it cannot be read."""
    try:
        return [printable_name(name) for name in os.listdir(path)]
    except OSError:
        return []


def _read_head(entry: os.DirEntry[str]) -> tuple[bytes, str]:
    """Return the first bytes of a file, and the reason why it cannot be read or ""."""
    from diffzero.data.decode import HEAD_BYTES

    try:
        if entry.is_symlink() and not os.path.exists(entry.path):
            return b"", f"a link to {printable_name(os.readlink(entry.path))!r}, which does not exist"
        if not entry.is_file():
            return b"", "a pipe, socket or device"
        with open(entry.path, "rb") as file:
            return file.read(HEAD_BYTES), ""
    except OSError as error:
        return b"", error.strerror or type(error).__name__
