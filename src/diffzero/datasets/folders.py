"""Test images in a folder, or in an archive, with one sub-folder per class."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from diffzero.config import Dataset, Folder
from diffzero.datasets.pool import SUFFIXES, Classes, Pool, pool
from diffzero.downloads import unpacked


def load(source: Folder, dataset: Dataset, root: Path) -> Pool:
    """Every image of a folder with one sub-folder for each class name, or for each key."""
    folder = root / source.path
    vocabularies = [words for words in (dataset.keys, dataset.classnames) if words]
    names = next((words for words in vocabularies if (folder / words[0]).is_dir()), dataset.classnames)
    missing = [name for name in names if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: found no sub-folder {missing[0]!r}, expected one for each class name ({len(missing)} missing)."
        )
    rows = [
        (path.relative_to(folder).as_posix(), label)
        for label, name in enumerate(names)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    if not rows:
        raise FileNotFoundError(f"{folder}: found no images, expected files ending in {', '.join(sorted(SUFFIXES))}.")
    images, labels = zip(*rows, strict=True)
    return pool(images, labels, lambda wanted: {name: (folder / name).read_bytes() for name in wanted})


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
