"""Match the labels and class names of a source to those of a data set."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from diffzero.data.class_names import nearest, nfc, source_classnames_to_write

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset


class LabelMap:
    """Map the labels of a source to those of a data set, by name if the source names its classes.

    Names match if they are equal after Unicode normalisation. The names of the data set are `source_classnames` if it has them,
    otherwise `classnames`, never both.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    names : sequence of str
        The source's class names in the order of its labels. If there are none, its labels are those of the data set.
    where : str
        Where `names` are written, for messages; default: the title of the data set.
    partial : bool
        Whether classes may be missing in `names`. Only for names that the user wrote: a file may have lost a line.

    Raises
    ------
    ValueError
        `names` are not the names of the data set in some order.
    """

    def __init__(self, dataset: Dataset, names: Sequence[str] = (), where: str = "", partial: bool = False) -> None:
        self.dataset = dataset
        self.names = dataset.names_in_sources
        """The names by which the source may know the classes, in the order of the data set's labels."""
        self._label_by_name = {nfc(name): k for k, name in reversed(list(enumerate(self.names)))}
        self._labels = list(range(len(self.names)))
        self._is_named = bool(names)
        if names:
            self._labels = self._match_names(names, where or dataset.title, partial)

    def find(self, name: str) -> int | None:
        """Return the label of the class with this name, the lowest of several; None if there is none."""
        return self._label_by_name.get(nfc(name))

    def contains(self, name: str) -> bool:
        """Return whether a class has this name."""
        return self.find(name) is not None

    def advise(self, names: Sequence[str]) -> str:
        """Return what to write for a source whose class names are `names`, some of which are not those of the data set."""
        pairs = [(name, nearest(name, self.names)) for name in names if not self.contains(name)]
        meant = [f"{name!r} for class {near!r}" for name, near in pairs if near][:3]
        suggestion = f"Did you mean {', '.join(meant)}? " if meant else ""
        return (
            f"{suggestion}Names must be equal. If the source is right, write its names into the data set's YAML, in the order of "
            f"`classnames` (and per source if the sources differ): {source_classnames_to_write(names, self.names)}"
        )

    def to_label(self, label: object, among: Sequence[str] = ()) -> int:
        """Return the data set's label for a label of the source, which is a number or a class name.

        Raises ValueError; its message advises on `among`, the names that the source uses, if they are known.
        """
        if isinstance(label, str) and (found := self.find(label)) is not None:
            return found
        number = whole_number(label)
        if number is not None and 0 <= number < len(self._labels):
            return self._labels[number]
        shown = repr(label) if isinstance(label, str) else label
        raise ValueError(f"{self.dataset.title}: found label {shown}, {self._expected(label, among)}")

    def to_labels(self, labels: Sequence[object], place: Callable[[int], str]) -> list[int]:
        """Return the data set's labels for all labels of a source; `place(k)` is where the k-th is, for the message of the ValueError."""
        count = len(self._labels)
        found = [whole_number(label) for label in labels]
        if count in found and all(number is not None and 1 <= number <= count for number in found):
            raise ValueError(
                f"{place(found.index(count))}: {self.dataset.title}: found label {count}, expected 0..{count - 1}. "
                f"The labels are 1..{count}: they count from 1. Store them from 0 (each label minus 1), or store the class names."
            )
        self._refuse_numbers_that_are_names(found, place)
        mapped, texts = [], list(dict.fromkeys(label for label in labels if isinstance(label, str)))
        for k, label in enumerate(labels):
            try:
                mapped.append(self.to_label(label, texts))
            except ValueError as error:
                raise ValueError(f"{place(k)}: {error}") from error
        return mapped

    def _refuse_numbers_that_are_names(self, found: Sequence[int | None], place: Callable[[int], str]) -> None:
        """Raise ValueError if all labels of a source without class names are numbers and names of classes, but not of the same ones."""
        named = [None if number is None else self.find(str(number)) for number in found]
        other = next((k for k, label in enumerate(named) if label != found[k]), None)
        if self._is_named or other is None or None in named:
            return
        raise ValueError(
            f"{place(other)}: {self.dataset.title}: found label {found[other]}, which is the name of class number {named[other]}, expected "
            "numbers that are no names of other classes: numbers count the classes from 0. Store the class names as text."
        )

    def _expected(self, label: object, among: Sequence[str] = ()) -> str:
        """Return what is expected in place of a label that has no class, and what to do."""
        numbered = f"expected 0..{len(self._labels) - 1}"
        if isinstance(label, str):
            return f"expected a class name. {self.advise(among or [label])}"
        if label is None or (isinstance(label, numbers.Real) and math.isnan(label)):
            return f"{numbered} or a class name. The image has no label: add it, or remove the image."
        number = whole_number(label)
        if number is not None and number < 0:
            return f"{numbered}. A negative label usually marks an image without a label: add it, or remove the image."
        if number is not None:
            return (
                f"{numbered}, the labels of {len(self._labels)} classes. Add the missing names to `classnames`, in label order, or "
                "store labels that count from 0."
            )
        return f"{numbered} or a class name, found {type(label).__name__}. Store whole numbers or text."

    def _match_names(self, names: Sequence[str], where: str, partial: bool) -> list[int]:
        """Return the data set's label of each of the source's classes, which have these names."""
        found, known = list(map(nfc, names)), list(map(nfc, self.names))
        if found == known:  # also if a name occurs twice, as in ImageNet
            return list(range(len(known)))
        if unknown := [name for name in names if not self.contains(name)]:
            key = "source_classnames" if self.dataset.source_classnames else "classnames"
            raise ValueError(
                f"{where}: found a class {unknown[0]!r} in the source ({len(unknown)} of its {len(names)} names are unknown), "
                f"expected the names in `{key}`. {self.advise(names)}"
            )
        if repeated := [name for name in names if found.count(nfc(name)) > 1]:
            raise ValueError(
                f"{where}: found the class name {repeated[0]!r} {found.count(nfc(repeated[0]))} times in the source, whose order is "
                "not that of the data set: a label could be any of these classes. Write `label_names` or correct the source."
            )
        if len(found) < len(known) and not partial:
            missing = [name for name in self.names if nfc(name) not in found]
            raise ValueError(
                f"{where}: found {len(names)} class names in the source, expected {len(known)}; not there: {', '.join(missing[:3])}. If a "
                "line was lost, every label after it is wrong: restore it. If the source has fewer classes, remove the others from "
                "`classnames`, or write `label_names` and `allow_empty: true`."
            )
        return [self._label_by_name[name] for name in found]


def whole_number(label: object) -> int | None:
    """Return a label that is a whole number of any type as int; None for other labels, also for truth values."""
    if isinstance(label, numbers.Integral) and not isinstance(label, bool):
        return int(label)
    return (
        int(label) if isinstance(label, float | np.floating) and math.isfinite(label) and label == int(label) else None
    )
