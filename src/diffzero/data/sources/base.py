"""What a source holds: names and labels at once, encoded pictures on demand. ImageNet's 50,000 need not fit in memory for 4,096."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from diffzero.config import Archive, Digits, Hub, Source, Webdataset

log = logging.getLogger(__name__)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True)
class TestSet:
    """The test images of one source."""

    table: pd.DataFrame  # image (unique name), label (0-based, the data set's own order)
    read: Callable[[Sequence[str]], dict[str, bytes]]  # encoded pictures of these images, by name


def make_test_set(
    images: Sequence[str], labels: Sequence[int], read: Callable[[Sequence[str]], dict[str, bytes]]
) -> TestSet:
    """A TestSet of these names and labels."""
    return TestSet(pd.DataFrame({"image": list(images), "label": list(labels)}).astype({"label": "int64"}), read)


def describe_source(source: Source) -> str:
    """A source in a few words: what a message, a log and the record of the selection call it."""
    match source:
        case Digits():
            return "scikit-learn's digits"
        case Hub() | Webdataset():
            return f"{source.repo} at {source.revision[:12]}, {source.split}"
        case Archive():
            return ", ".join(file.url for file in source.files)
    return source.path


def owns_file(source: Hub | Webdataset, name: str) -> bool:
    """Whether a repository's file holds something of the split.

    Parquet: `{config}/{split}-00000-of-00001.parquet`, or `{config}/{split}/0000.parquet`.
    """
    if isinstance(source, Webdataset):
        return name.startswith(f"{source.split}/") or (name == "classnames.txt" and not source.label_names)
    path = PurePosixPath(name)
    folders = path.parts[:-1]
    of_split = path.stem == source.split or path.stem.startswith(f"{source.split}-") or source.split in folders
    return path.suffix == ".parquet" and of_split and (source.subset is None or source.subset in folders)
