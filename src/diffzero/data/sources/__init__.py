"""Where test images come from: one loader per kind of source, tried in order of preference."""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from diffzero.config import Archive, Dataset, Digits, Folder, Hub, Parquet, Source, Webdataset
from diffzero.data.sources import digits, formats, image_folder, parquet, webdataset
from diffzero.data.sources.base import TestSet, describe_source, make_test_set

log = logging.getLogger(__name__)


class SourceError(OSError):
    """No source gave a data set's images; the message says why each failed."""


def load_digits(source: Digits, dataset: Dataset, root: Path) -> TestSet:
    """scikit-learn's handwritten digits, test rows."""
    table = digits.load().set_index("image")
    return make_test_set(table.index, table["label"], lambda wanted: table.loc[list(wanted), "bytes"].to_dict())


LOADERS: dict[type, Callable[[Source, Dataset, Path], TestSet]] = {
    Digits: load_digits,
    Parquet: parquet.load_file,
    Folder: image_folder.load,
    Hub: parquet.load_hub,
    Webdataset: webdataset.load,
    Archive: formats.load,
}


def load_images(dataset: Dataset, root: Path, choose: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Columns image (unique name), label (0-based), bytes (encoded picture), source, of the images that `choose` keeps.

    `choose` gets the image and label of all.
    The first source that works. One alone raises its own error; of several that all fail, SourceError says why each did.
    """
    failures = []
    for number, source in enumerate(dataset.places, start=1):
        try:
            return _from(source, dataset, root, choose)
        except (OSError, ValueError) as error:
            if len(dataset.places) == 1:
                raise
            failures.append(
                f"{number}. {describe_source(source)}: {type(error).__name__}: {' '.join(str(error).split())}"
            )
            after = dataset.places[number:]
            log.warning(
                "%s: source %s. Next: %s", dataset.title, failures[-1], describe_source(after[0]) if after else "none"
            )
    raise SourceError(
        f"{dataset.title}: none of its {len(failures)} sources gave the images. " + " ".join(failures) + " Or put the "
        "images into a folder with one sub-folder per class and set `source: {kind: folder, path: ...}` in its YAML."
    )


def _from(source: Source, dataset: Dataset, root: Path, choose: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """What `load` gives, from one source."""
    found = LOADERS[type(source)](source, dataset, root)
    twice = found.table["image"].duplicated()
    if twice.any():
        raise ValueError(
            f"{dataset.title}: found image {found.table.loc[twice, 'image'].iloc[0]!r} twice, expected unique names."
        )
    _require_size(len(found.table), dataset, source)
    chosen = choose(found.table)
    pictures = found.read(list(chosen["image"]))
    return chosen.assign(bytes=[pictures[name] for name in chosen["image"]], source=describe_source(source))


def _require_size(count: int, dataset: Dataset, source: Source) -> None:
    """Raise SourceError for a part of the test set, from which another selection would be drawn. More images are told to the log."""
    if not count:
        raise SourceError(f"{dataset.title}: found no images in {describe_source(source)}, expected the test set.")
    if dataset.test_size and count < dataset.test_size:
        raise SourceError(
            f"{dataset.title}: found {count} images in {describe_source(source)}, expected the {dataset.test_size} of its test set. "
            "Get the others, or where these are what you want to classify take `test_size` out of the data set's YAML."
        )
    if dataset.test_size and count > dataset.test_size:
        message = "%s: found %d images in %s; its test set is documented to have %d"
        log.warning(message, dataset.title, count, describe_source(source), dataset.test_size)
