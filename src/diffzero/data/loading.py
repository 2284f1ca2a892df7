"""Load the images of a data set from the first of its sources that has them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from diffzero.data.dataset import Dataset
from diffzero.data.sources.base import Source

log = logging.getLogger(__name__)
ChooseImages = Callable[[pd.DataFrame], pd.DataFrame]


class SourceError(OSError):
    """No source has the images of a data set; the message says why each failed."""


def load_images(dataset: Dataset, root: Path, choose: ChooseImages) -> pd.DataFrame:
    """Load the images that `choose` keeps, from the first source that works.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    root : Path
        Root of the repository.
    choose : callable
        Receives the columns `image` and `label` of all images and returns the wanted rows, possibly with further columns.

    Returns
    -------
    DataFrame
        The rows that `choose` returned: `image` (unique name, str), `label` (from 0, int64), and beside them `bytes` (the encoded
        image, bytes) and `source` (description of the source, str).

    Raises
    ------
    SourceError
        All of several sources fail. The error of a single source is raised itself.
    """
    failures = []
    sources = dataset.all_sources
    for number, source in enumerate(sources, start=1):
        try:
            return _load_from(source, dataset, root, choose)
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


def _load_from(source: Source, dataset: Dataset, root: Path, choose: ChooseImages) -> pd.DataFrame:
    found = source.load(dataset.for_source(source), root)
    table = pd.DataFrame({"image": list(found.images), "label": list(found.labels)}).astype({"label": "int64"})
    repeated = table.loc[table["image"].duplicated(), "image"]
    if len(repeated):
        raise ValueError(f"{dataset.title}: found image {repeated.iloc[0]!r} twice, expected unique names.")
    _require_size(len(table), dataset, source)
    chosen = choose(table)
    data = found.read(list(chosen["image"]))
    return chosen.assign(bytes=[data[name] for name in chosen["image"]], source=source.describe())


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
