"""Test images in a folder, or in an archive, with one sub-folder per class."""

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from diffzero.config import Dataset, Folder
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import IMAGE_SUFFIXES, TestSet, make_test_set
from diffzero.download.archives import iter_members

log = logging.getLogger(__name__)


def load(source: Folder, dataset: Dataset, root: Path) -> TestSet:
    """Every image of a folder with one sub-folder for each class name, or for each key. Other sub-folders are told to the log."""
    folder, classes = root / source.path, LabelMap(dataset)
    # Not what macOS and version control put beside the pictures.
    seen = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") if folder.is_dir() else []
    labels = {path: classes.find(path.name) for path in seen}
    names = dataset.source_classnames or dataset.classnames
    missing = [name for name in names if classes.find(name) not in labels.values()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: found no sub-folder {missing[0]!r}, expected one for each class name ({len(missing)} missing)."
        )
    if unknown := [path.name for path, label in labels.items() if label is None]:
        log.warning("%s: sub-folders %s bear the name of no class and are left out", folder, ", ".join(unknown))
    rows = [
        (path.relative_to(folder).as_posix(), label)
        for label, sub in sorted((label, sub) for sub, label in labels.items() if label is not None)
        for path in sorted(sub.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("._") and path.is_file()
    ]
    if not rows:
        raise FileNotFoundError(
            f"{folder}: found no images, expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    images, numbers = zip(*rows, strict=True)
    return make_test_set(images, numbers, lambda wanted: {name: (folder / name).read_bytes() for name in wanted})


def load_archive(archive: Path, dataset: Dataset) -> TestSet:
    """Every image of an archive whose last folder is a class; named `class/file`, as in a folder of the same images."""
    classes = LabelMap(dataset)

    def is_picture(name: str) -> bool:
        path = PurePosixPath(name)
        return (
            path.suffix.lower() in IMAGE_SUFFIXES
            and not path.name.startswith("._")
            and classes.contains(path.parent.name)
        )

    images = [_short(name) for name, _ in iter_members(archive, is_picture)]
    if not images:
        raise ValueError(
            f"{archive}: found no images in folders named after the classes, expected e.g. {dataset.classnames[0]}/1.png."
        )

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        names = set(wanted)
        members = iter_members(archive, lambda name: is_picture(name) and _short(name) in names)
        return {_short(name): data for name, data in members}

    return make_test_set(images, [classes(name.split("/")[0]) for name in images], read)


def _short(name: str) -> str:
    """A member's name from its class folder on."""
    return "/".join(PurePosixPath(name).parts[-2:])
