"""Test images in a folder, or in an archive, with one sub-folder per class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from diffzero.data.file_listing import list_visible_files
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import IMAGE_SUFFIXES, Source, TestSet
from diffzero.utils.fields import Text

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe

log = logging.getLogger(__name__)


class Folder(Source):
    """A folder with one sub-folder of images per class."""

    kind: Literal["folder"]
    """A folder of images."""
    path: Text
    """The folder, relative to the root of the repository. Sub-folders have the names of the classes, or those in `source_classnames`."""

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every image below a class's sub-folder, named by its path. Sub-folders that match no class are named in the log."""
        folder, label_map = root / self.path, LabelMap(dataset)
        # Hidden folders are left out: macOS and version control create them.
        folders = sorted(path for path in folder.glob("*") if path.is_dir() and path.name[0] != ".")
        labels = {path: label_map.find(path.name) for path in folders}
        names = dataset.source_classnames or dataset.classnames
        missing = [name for name in names if label_map.find(name) not in labels.values()]
        if missing:
            raise FileNotFoundError(
                f"{folder}: found no sub-folder {missing[0]!r}, expected one for each class name ({len(missing)} missing)."
            )
        if unknown := [path.name for path, label in labels.items() if label is None]:
            log.warning("%s: ignoring sub-folders %s: they match no class name", folder, ", ".join(unknown))
        rows = [
            (path.relative_to(folder).as_posix(), label)
            for label, sub_folder in sorted((label, path) for path, label in labels.items() if label is not None)
            for path in sorted(sub_folder.rglob("*"))
            if is_image_name(path.name) and path.is_file()
        ]
        if not rows:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise FileNotFoundError(f"{folder}: found no images, expected files ending in {suffixes}.")
        images, image_labels = zip(*rows, strict=True)
        return TestSet(images, image_labels, lambda wanted: {name: (folder / name).read_bytes() for name in wanted})

    def describe(self) -> str:
        """Return the path."""
        return self.path

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return the size of the folder."""
        return probe.check_path(root / self.path)

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the files in the folder."""
        return list_visible_files(root / self.path)


def is_image_name(name: str) -> bool:
    """Return whether a file is an image by its name; macOS writes a file `._x.png` beside `x.png`."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("._")


def load_archive(archive: Path, dataset: Dataset) -> TestSet:
    """Return every image of an archive whose innermost folder is a class; named `class/file`, as in a folder of the same images."""
    from diffzero.download.archives import iter_members

    label_map = LabelMap(dataset)

    def is_wanted(member: str) -> bool:
        path = PurePosixPath(member)
        return is_image_name(path.name) and label_map.contains(path.parent.name)

    images = [_short_name(member) for member, _ in iter_members(archive, is_wanted)]
    if not images:
        raise ValueError(
            f"{archive}: found no images in folders named after the classes, expected e.g. {dataset.classnames[0]}/1.png."
        )

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        names = set(wanted)
        members = iter_members(archive, lambda member: is_wanted(member) and _short_name(member) in names)
        return {_short_name(member): data for member, data in members}

    return TestSet(images, [label_map.to_label(name.split("/")[0]) for name in images], read)


def _short_name(member: str) -> str:
    """Return a member's name from its class folder on."""
    return "/".join(PurePosixPath(member).parts[-2:])
