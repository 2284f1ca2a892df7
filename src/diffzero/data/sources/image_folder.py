"""Test images in a folder, or in an archive, with one sub-folder per class."""

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from diffzero.config import Dataset, Folder
from diffzero.data.sources.base import SUFFIXES, Classes, Pool, pool
from diffzero.download.url import unpacked

log = logging.getLogger(__name__)


def load(source: Folder, dataset: Dataset, root: Path) -> Pool:
    """Every image of a folder with one sub-folder for each class name, or for each key. Other sub-folders are told to the log."""
    folder, classes = root / source.path, Classes(dataset)
    # Not what macOS and version control put beside the pictures.
    seen = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") if folder.is_dir() else []
    labels = {path: classes.named(path.name) for path in seen}
    names = dataset.keys or dataset.classnames
    missing = [name for name in names if classes.named(name) not in labels.values()]
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
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and path.is_file()
    ]
    if not rows:
        raise FileNotFoundError(f"{folder}: found no images, expected files ending in {', '.join(sorted(SUFFIXES))}.")
    images, numbers = zip(*rows, strict=True)
    return pool(images, numbers, lambda wanted: {name: (folder / name).read_bytes() for name in wanted})


def load_archive(archive: Path, dataset: Dataset) -> Pool:
    """Every image of an archive whose last folder is a class; named `class/file`, as in a folder of the same images."""
    classes = Classes(dataset)

    def is_picture(name: str) -> bool:
        path = PurePosixPath(name)
        return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and classes.knows(path.parent.name)

    images = [_short(name) for name, _ in unpacked(archive, is_picture)]
    if not images:
        raise ValueError(
            f"{archive}: found no images in folders named after the classes, expected e.g. {dataset.classnames[0]}/1.png."
        )

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        names = set(wanted)
        members = unpacked(archive, lambda name: is_picture(name) and _short(name) in names)
        return {_short(name): data for name, data in members}

    return pool(images, [classes(name.split("/")[0]) for name in images], read)


def _short(name: str) -> str:
    """A member's name from its class folder on."""
    return "/".join(PurePosixPath(name).parts[-2:])
