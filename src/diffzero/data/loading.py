"""Load the images of a data set from the first of its sources that has them."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from diffzero.data.accounting import UnreadableImage, account_for, log_account, refuse_unreadable, require_images
from diffzero.data.dataset import Dataset
from diffzero.data.decode import ImageError, find_defect
from diffzero.data.sources.base import Source, TestSet

log = logging.getLogger(__name__)
RankImages = Callable[[pd.DataFrame], pd.DataFrame]


class SourceError(OSError):
    """No source has the images of a data set; the message says why each failed."""


def load_images(dataset: Dataset, root: Path, rank: RankImages, count: int) -> pd.DataFrame:
    """Load the first images in the order of `rank`, from the first source that works.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    root : Path
        Root of the repository.
    rank : callable
        Receives the columns `image` and `label` of all images and returns their rows in order of preference, possibly without some,
        and with further columns.
    count : int
        Number of images to load; all if there are fewer.

    Returns
    -------
    DataFrame
        The rows of `rank`: `image` (unique name, str), `label` (from 0, int64), and beside them `bytes` (the encoded image, bytes)
        and `source` (description of the source, str). `attrs["account"]` is the Account of the source.

    Raises
    ------
    ImageError
        Images cannot be decoded, and the data set does not skip them.
    SourceError
        All of several sources fail. The error of a single source is raised itself.
    """
    failures = []
    sources = dataset.all_sources
    for number, source in enumerate(sources, start=1):
        try:
            return _load_from(source, dataset, root, rank, count)
        except ImageError:  # another source would give other images for a reason that the user can remove
            raise
        except (OSError, ValueError) as error:
            if len(sources) == 1:
                raise
            failures.append(f"{number}. {source.describe()}: {type(error).__name__}: {' '.join(str(error).split())}")
            following = sources[number].describe() if number < len(sources) else "none"
            log.warning("%s: source %s. Next: %s", dataset.title, failures[-1], following)
    raise SourceError(
        f"{dataset.title}: none of its {len(failures)} sources has the images. {' '.join(failures)} Or put the images into a folder "
        "with one sub-folder per class and set `source: {kind: folder, path: ...}` in its YAML."
    )


def _load_from(source: Source, dataset: Dataset, root: Path, rank: RankImages, count: int) -> pd.DataFrame:
    place = source.describe()
    dataset = dataset.for_source(source)
    found = source.load(dataset, root)
    table = pd.DataFrame({"image": list(found.images), "label": list(found.labels)}).astype({"label": "int64"})
    repeated = table.loc[table["image"].duplicated(), "image"]
    if len(repeated):
        raise ValueError(f"{dataset.title}: found image {repeated.iloc[0]!r} twice, expected unique names.")
    _require_size(len(table), dataset, source)
    is_broken = table["image"].isin(list(found.unreadable))
    unreadable = _list_unreadable(table, found.unreadable)
    if dataset.unreadable == "skip" or not unreadable:  # before any image is read
        require_images(dataset, account_for(dataset, found, [], unreadable), place)
    images, undecodable = _read_images(found, rank(table[~is_broken]), count, dataset.unreadable == "skip")
    unreadable += undecodable
    refuse_unreadable(dataset, unreadable, place)
    account = account_for(dataset, found, images["label"].tolist(), unreadable)
    require_images(dataset, account, place)
    log_account(dataset, account, place)
    if not len(images):
        raise SourceError(f"{dataset.title}: found no readable images in {place}, expected the test set.")
    images = images.assign(source=place)
    images.attrs["account"] = account
    return images


def _list_unreadable(table: pd.DataFrame, reasons: Mapping[str, str]) -> list[UnreadableImage]:
    """Return the images of a table that cannot be decoded, with the reason of each by its name."""
    broken = table[table["image"].isin(list(reasons))]
    return [
        UnreadableImage(image=image, label=label, reason=reasons[image])
        for image, label in zip(broken["image"], broken["label"].tolist(), strict=True)
    ]


def _read_images(
    found: TestSet, ranked: pd.DataFrame, count: int, replaces: bool
) -> tuple[pd.DataFrame, list[UnreadableImage]]:
    """Read the first images in their order.

    Returns
    -------
    DataFrame
        The first `count` rows with the column `bytes`, without images that cannot be decoded. If `replaces`, the next take their places.
    list of UnreadableImage
        The images that cannot be decoded.
    """
    parts: list[pd.DataFrame] = []
    unreadable: list[UnreadableImage] = []
    first, missing = 0, count
    while not parts or (replaces and missing and first < len(ranked)):
        part = ranked.iloc[first : first + missing]
        data = found.read(list(part["image"]))
        reasons = {name: reason for name in part["image"] if (reason := find_defect(data[name]))}
        unreadable += _list_unreadable(part, reasons)
        readable = part[~part["image"].isin(list(reasons))]
        parts.append(readable.assign(bytes=[data[name] for name in readable["image"]]))
        first, missing = first + len(part), missing - len(readable)
    return pd.concat(parts, ignore_index=True), unreadable


def _require_size(count: int, dataset: Dataset, source: Source) -> None:
    """Raise SourceError for a part of the test set, which would give a different selection. The log names additional images."""
    if not count:
        raise SourceError(f"{dataset.title}: found no images in {source.describe()}, expected the test set.")
    if dataset.test_size and count < dataset.test_size:
        raise SourceError(
            f"{dataset.title}: found {count} images in {source.describe()}, expected the {dataset.test_size} of its test set. "
            "Get the others. To classify these only, remove `test_size` from the data set's YAML."
        )
    if dataset.test_size and count > dataset.test_size:
        message = "%s: found %d images in %s; its test set is documented to have %d"
        log.warning(message, dataset.title, count, source.describe(), dataset.test_size)
