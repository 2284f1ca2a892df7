"""Match the labels and class names of a source to those of a data set."""

import logging
from collections.abc import Callable, Sequence

from diffzero.config import Dataset

log = logging.getLogger(__name__)


def identity(name: str) -> str:
    """A class name as it is."""
    return name


def normalize_name(name: str) -> str:
    """A class name without what sources write differently: case, spaces, underscores, punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _vocabularies(dataset: Dataset) -> list[tuple[list[str], Callable[[str], str]]]:
    """The names by which classes may be known, and how to write them, in the order in which to try them.

    `normalize_name` only where it keeps different names apart: `C` and `C++` must not become one class.
    """
    words = [names for names in (dataset.source_classnames, dataset.classnames) if names]
    apart = [names for names in words if len(set(map(normalize_name, names)) - {""}) == len(set(names))]
    return [(names, identity) for names in words] + [(names, normalize_name) for names in apart]


class LabelMap:
    """From a source's labels to the data set's, by name wherever the source names its classes.

    `names`: the source's class names in the order of its labels; none: its order is taken to be the data set's.
    Raises ValueError for names that are neither the data set's keys nor its class names.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str] = ()) -> None:
        self.dataset = dataset
        self._numbers = _matched(dataset, names) if names else list(range(len(dataset.classnames)))
        self._numbers_of = [
            ({form(word): k for k, word in reversed(list(enumerate(words)))}, form)
            for words, form in _vocabularies(dataset)
        ]

    def find(self, name: str) -> int | None:
        """The label of the class of this name or key, the lowest of several; None where there is none."""
        return next((known[form(name)] for known, form in self._numbers_of if form(name) in known), None)

    def contains(self, name: str) -> bool:
        """Whether it is the key or the name of a class."""
        return self.find(name) is not None

    def __call__(self, label: object) -> int:
        """The data set's label of one of the source's: a number, or a class's name or key."""
        if isinstance(label, str) and (number := self.find(label)) is not None:
            return number
        if isinstance(label, int | float) and 0 <= label < len(self._numbers) and label == int(label):
            return self._numbers[int(label)]
        expected = f"0..{len(self._numbers) - 1}" if not isinstance(label, str) else "a class name or key"
        raise ValueError(
            f"{self.dataset.title}: found label {label}, expected {expected}. "
            "Add the missing names to `classnames`, in label order."
        )


def _matched(dataset: Dataset, names: Sequence[str]) -> list[int]:
    """The data set's label of each of the source's, whose names these are."""
    clash = ""
    for words, form in _vocabularies(dataset):
        found, known = list(map(form, names)), list(map(form, words))
        if found == known:  # also where a name occurs twice, as in ImageNet
            return list(range(len(known)))
        if len(set(known)) < len(known) or len(set(found)) < len(found):
            continue
        place = {name: k for k, name in enumerate(known)}
        numbers = [place.get(name) for name in found]
        left = {k for k, number in enumerate(numbers) if number is None}
        # A name misspelt where it stands ("cra" for crab) is that class; one that has moved, too, is anybody's guess.
        few = len(left) * 4 <= len(found) and left <= set(range(len(known))) - {n for n in numbers if n is not None}
        if not left or (few and form is normalize_name):
            return [k if number is None else number for k, number in enumerate(numbers)]
        if len(left) < len(found):
            clash = clash or names[min(left)]
    if clash:
        raise ValueError(
            f"{dataset.title}: found a class {clash!r} in the source, expected the names in `classnames` or `keys`. "
            "Write the source's names under `keys`, in the order of `classnames`."
        )
    if len(names) != len(dataset.classnames):
        raise ValueError(
            f"{dataset.title}: found {len(names)} class names in the source, expected {len(dataset.classnames)}."
        )
    log.warning(
        "%s: the source calls its classes %s, ...: none is known, so they are taken in order", dataset.title, names[0]
    )
    return list(range(len(names)))
