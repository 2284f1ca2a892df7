"""What a source holds: names and labels at once, encoded pictures on demand. ImageNet's 50,000 need not fit in memory for 4,096."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from diffzero.config import Dataset

log = logging.getLogger(__name__)
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True)
class Pool:
    """The test images of one source."""

    table: pd.DataFrame  # image (unique name), label (0-based, the data set's own order)
    read: Callable[[Sequence[str]], dict[str, bytes]]  # encoded pictures of these images, by name


def pool(images: Sequence[str], labels: Sequence[int], read: Callable[[Sequence[str]], dict[str, bytes]]) -> Pool:
    """A Pool of these names and labels."""
    return Pool(pd.DataFrame({"image": list(images), "label": list(labels)}).astype({"label": "int64"}), read)


def plain(name: str) -> str:
    """A class name without what sources write differently: case, spaces, underscores, punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


class Classes:
    """From a source's labels to the data set's, by name wherever the source names its classes.

    `names`: the source's class names in the order of its labels; none: its order is taken to be the data set's.
    Raises ValueError for names that are neither the data set's keys nor its class names.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str] = ()) -> None:
        self.dataset = dataset
        count = len(dataset.classnames)
        self._numbers = _matched(dataset, names) if names else list(range(count))
        vocabularies = [dataset.keys, dataset.classnames] if dataset.keys else [dataset.classnames]
        self._by_name = {
            plain(name): k for words in reversed(vocabularies) for k, name in reversed(list(enumerate(words)))
        }

    def knows(self, name: str) -> bool:
        """Whether it is the key or the name of a class."""
        return plain(name) in self._by_name

    def __call__(self, label: object) -> int:
        """The data set's label of one of the source's: a number, or a class's name or key."""
        if isinstance(label, str) and plain(label) in self._by_name:
            return self._by_name[plain(label)]
        if isinstance(label, int | float) and 0 <= label < len(self._numbers) and label == int(label):
            return self._numbers[int(label)]
        expected = f"0..{len(self._numbers) - 1}" if not isinstance(label, str) else "a class name or key"
        raise ValueError(
            f"{self.dataset.title}: found label {label}, expected {expected}. "
            "Add the missing names to `classnames`, in label order."
        )


def _matched(dataset: Dataset, names: Sequence[str]) -> list[int]:
    """The data set's label of each of the source's, whose names these are."""
    found, clash = list(map(plain, names)), ""
    for words in filter(None, (dataset.keys, dataset.classnames)):
        known = list(map(plain, words))
        if found == known:  # also where a name occurs twice, as in ImageNet
            return list(range(len(known)))
        if len(set(known)) < len(known) or len(set(found)) < len(found):
            continue
        place = {name: k for k, name in enumerate(known)}
        numbers = [place.get(name) for name in found]
        left = {k for k, number in enumerate(numbers) if number is None}
        # A name misspelt where it stands ("cra" for crab) is that class; one that has moved, too, is anybody's guess.
        if len(left) * 4 <= len(found) and left <= set(range(len(known))) - {n for n in numbers if n is not None}:
            return [k if number is None else number for k, number in enumerate(numbers)]
        if len(left) < len(found):
            clash = clash or names[min(left)]
    if clash:
        raise ValueError(
            f"{dataset.title}: found a class {clash!r} in the source, expected the names in `classnames` or `keys`. "
            "Write the source's names under `keys`, in the order of `classnames`."
        )
    if len(found) != len(dataset.classnames):
        raise ValueError(
            f"{dataset.title}: found {len(found)} class names in the source, expected {len(dataset.classnames)}."
        )
    log.warning(
        "%s: the source calls its classes %s, ...: none is known, so they are taken in order", dataset.title, names[0]
    )
    return list(range(len(found)))
