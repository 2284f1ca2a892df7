"""Match the labels and class names of a source to those of a data set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset

log = logging.getLogger(__name__)


def identity(name: str) -> str:
    """Return the name unchanged."""
    return name


def normalize_name(name: str) -> str:
    """Return a class name without case, spaces, underscores and punctuation, which differ between sources."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _vocabularies(dataset: Dataset) -> Sequence[tuple[list[str], Callable[[str], str]]]:
    """Return the lists of names by which classes may be known, each with the form in which to compare them, in order of preference.

    `normalize_name` is used only if it keeps different names apart: `C` and `C++` must not become one class.
    """
    lists = [names for names in (dataset.source_classnames, dataset.classnames) if names]
    distinct = [names for names in lists if len(set(map(normalize_name, names)) - {""}) == len(set(names))]
    return [*((names, identity) for names in lists), *((names, normalize_name) for names in distinct)]


class LabelMap:
    """Map the labels of a source to those of a data set, by name if the source names its classes.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    names : sequence of str
        The source's class names in the order of its labels. If there are none, its labels are those of the data set.

    Raises
    ------
    ValueError
        Some of `names` are class names of the data set and others are not.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str] = ()) -> None:
        self.dataset = dataset
        self._labels = _match_names(dataset, names) if names else list(range(len(dataset.classnames)))
        self._labels_by_name = [
            ({form(name): k for k, name in reversed(list(enumerate(known)))}, form)
            for known, form in _vocabularies(dataset)
        ]

    def find(self, name: str) -> int | None:
        """Return the label of the class with this name, the lowest of several; None if there is none."""
        return next((labels[form(name)] for labels, form in self._labels_by_name if form(name) in labels), None)

    def contains(self, name: str) -> bool:
        """Return whether a class has this name."""
        return self.find(name) is not None

    def to_label(self, label: object) -> int:
        """Return the data set's label for a label of the source, which is a number or a class name. Raises ValueError."""
        if isinstance(label, str) and (found := self.find(label)) is not None:
            return found
        if isinstance(label, int | float) and 0 <= label < len(self._labels) and label == int(label):
            return self._labels[int(label)]
        expected = f"0..{len(self._labels) - 1}" if not isinstance(label, str) else "a class name"
        raise ValueError(
            f"{self.dataset.title}: found label {label}, expected {expected}. "
            "Add the missing names to `classnames`, in label order."
        )


def _match_names(dataset: Dataset, names: Sequence[str]) -> list[int]:
    """Return the data set's label of each of the source's classes, which have these names."""
    unknown = ""
    for vocabulary, form in _vocabularies(dataset):
        found, known = list(map(form, names)), list(map(form, vocabulary))
        if found == known:  # also if a name occurs twice, as in ImageNet
            return list(range(len(known)))
        if len(set(known)) < len(known) or len(set(found)) < len(found):
            continue
        label_of = {name: k for k, name in enumerate(known)}
        labels = [label_of.get(name) for name in found]
        unmatched = {k for k, label in enumerate(labels) if label is None}
        # A misspelt name at its own place ("cra" for crab) is that class. At another place it could be any class.
        is_free = unmatched <= set(range(len(known))) - {label for label in labels if label is not None}
        is_misspelt = len(unmatched) * 4 <= len(found) and is_free and form is normalize_name
        if not unmatched or is_misspelt:
            return [k if label is None else label for k, label in enumerate(labels)]
        if len(unmatched) < len(found):
            unknown = unknown or names[min(unmatched)]
    if unknown:
        raise ValueError(
            f"{dataset.title}: found a class {unknown!r} in the source, expected the names in `classnames` or `source_classnames`. "
            "Write the source's names under `source_classnames`, in the order of `classnames`."
        )
    if len(names) != len(dataset.classnames):
        raise ValueError(
            f"{dataset.title}: found {len(names)} class names in the source, expected {len(dataset.classnames)}."
        )
    log.warning(
        "%s: the source calls its classes %s, ...: no name is known, so they are taken in order",
        dataset.title,
        names[0],
    )
    return list(range(len(names)))
