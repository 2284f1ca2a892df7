"""Files in folders that have the names of classes: which of them are images, which are left out, and which are refused.

The rules are the same for folders and for archives. Nothing is dropped without a count: each file is an image, or it is counted under
the reason for which it is none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import PurePosixPath

from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import IMAGE_SUFFIXES, TestSet
from diffzero.utils.fields import Text

HIDDEN = "hidden or derived by another program"
IGNORED = "named under `ignore`"
NOT_AN_IMAGE = "not an image"
OUTSIDE = "in the folder of no class"
Splits = Text | list[Text]  # type of the key `split`
# Names of the parts into which data sets are split.
SPLIT = re.compile(
    r"(train|training|test|testing|val|valid|validation|dev|eval|evaluation|holdout)([-_ ]?(set|data|split|images?|\d+))?",
    flags=re.IGNORECASE,
)


def as_list(splits: Splits) -> list[str]:
    """Return the names in the key `split`, which may be a single one."""
    return [splits] if isinstance(splits, str) else splits


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file below the folder of a class."""

    name: str
    """Name of the image: its path from the folder of the class on."""
    above: tuple[str, ...]
    """The folders above that of its class."""
    below: tuple[str, ...]
    """The folders below that of its class."""
    label: int
    location: str
    """Its path, or its name in the archive."""
    head: bytes
    """Its first bytes, from which its format is recognised."""
    problem: str = ""
    """Reason why it cannot be read; "" if it can."""

    @property
    def is_image(self) -> bool:
        """True for an image, by its content or, where that is unknown or damaged, by its name."""
        from diffzero.data.decode import find_format, find_pointer

        suffix = PurePosixPath(self.name).suffix.lower()
        if self.problem or find_pointer(self.head):
            return not suffix or suffix in IMAGE_SUFFIXES
        return suffix in IMAGE_SUFFIXES or find_format(self.head) is not None

    @property
    def defect(self) -> str:
        """Reason why this image cannot be decoded, as far as its first bytes show; "" if they show none."""
        from diffzero.data.decode import find_format, find_pointer

        if reason := self.problem or find_pointer(self.head):
            return reason
        if not self.head:
            return "an empty file"
        return "" if find_format(self.head) else f"begins with {self.head[:12]!r}, like no image that Pillow decodes"


class Ignored:
    """The files and folders that the key `ignore` of a source names, each by its name or the end of its path, at any depth."""

    def __init__(self, names: Sequence[str]) -> None:
        self._unused = {PurePosixPath(name).parts: name for name in names}
        self._entries = list(self._unused)

    def __contains__(self, path: str) -> bool:
        """Return whether a file or a folder above it is left out."""
        parts = PurePosixPath(path).parts
        for entry in self._entries:
            if any(parts[k : k + len(entry)] == entry for k in range(len(parts) - len(entry) + 1)):
                self._unused.pop(entry, None)
                return True
        return False

    def require_all_used(self, place: str) -> None:
        """Raise ValueError if an entry names nothing, which is a misspelling."""
        if self._unused:
            names = ", ".join(map(repr, self._unused.values()))
            raise ValueError(f"{place}: found nothing called {names}, expected the entries of `ignore`. Correct them.")


@dataclass
class ClassFiles:
    """The files that were found below the folders of the classes of a source.

    Parameters
    ----------
    place : str
        The folder or archive, for messages.
    """

    place: str
    files: list[ClassFile] = field(default_factory=list)
    skipped: Counter[tuple[int | None, str]] = field(default_factory=Counter)
    """Number of files that are not test images, by label (None: in the folder of no class) and reason."""

    def skip(self, label: int | None, reason: str) -> None:
        """Count a file that is not a test image."""
        self.skipped[label, reason] += 1

    def images(self, splits: Sequence[str]) -> list[ClassFile]:
        """Return the images among the files, and count the others.

        Parameters
        ----------
        splits : sequence of str
            Names of the folders, above or below those of the classes, that hold the test images; if there are none, all images are.

        Raises
        ------
        ValueError
            The images are in several splits, and `splits` does not say in which the test images are; or a class has several folders.
        FileNotFoundError
            There are no images.
        """
        images = [file for file in self.files if file.is_image]
        self.skipped.update((file.label, NOT_AN_IMAGE) for file in self.files if not file.is_image)
        images = self._in_splits(images, splits) if splits else images
        if not images:
            raise FileNotFoundError(
                f"{self.place}: found no images, expected some in the folder of each class. Skipped: {format_skipped(self.skipped)}."
            )
        if not splits:
            require_one_split(images, self.place)
        require_one_folder(images, splits, self.place)
        return images

    def to_test_set(self, images: list[ClassFile], read: Callable[[list[ClassFile]], dict[str, bytes]]) -> TestSet:
        """Return a test set of these images; `read` returns the content of some, by name."""
        file_of = {file.name: file for file in images}
        return TestSet(
            [file.name for file in images],
            [file.label for file in images],
            lambda names: read([file_of[name] for name in names]),
            {file.name: file.defect for file in images if file.defect},
            self.skipped,
        )

    def _in_splits(self, images: list[ClassFile], splits: Sequence[str]) -> list[ClassFile]:
        for split in splits:
            if not any(split in file.above + file.below for file in images):
                folders = sorted({folder for file in images for folder in file.above + file.below})
                raise FileNotFoundError(
                    f"{self.place}: found no images in a folder {split!r}, which the key `split` names, above or below the folders of "
                    f"the classes. Folders there: {', '.join(map(repr, folders[:20])) or 'none'}."
                )
        is_chosen = [bool({*file.above, *file.below} & set(splits)) for file in images]
        self.skipped.update((images[k].label, "not in `split`") for k, chosen in enumerate(is_chosen) if not chosen)
        return list(compress(images, is_chosen))


def require_one_split(images: Sequence[ClassFile], place: str) -> None:
    """Raise ValueError if images are in folders with the names of several splits: those for training are not test images."""
    splits = Counter(name for file in images for name in {*file.above, *file.below} if SPLIT.fullmatch(name))
    if len({name[:3].lower() for name in splits}) > 1:  # several test sets are no training set
        found = ", ".join(f"{name!r} ({count} images)" for name, count in sorted(splits.items()))
        test = next((name for name in sorted(splits) if name.lower().startswith("test")), min(splits))
        raise ValueError(
            f"{place}: found the splits {found}, expected only test images. Write `split: {test}` in the source to use one of them, or "
            f"`split: {as_yaml(sorted(splits))}` to use all."
        )


def require_one_class(images: Sequence[ClassFile], label_map: LabelMap, place: str) -> None:
    """Raise ValueError if an image is below the folders of two classes."""
    for file in images:
        others = [name for name in file.below if label_map.find(name) not in (None, file.label)]
        if others:
            outer = label_map.names[file.label]
            raise ValueError(
                f"{place}: found {file.name!r} in the folders of two classes, {outer!r} and {others[0]!r}, expected one. If {outer!r} is "
                f"the name of a split here, write `split: {outer}` in the source; else leave the folder out: "
                f"`ignore: {as_yaml([others[0]])}`."
            )


def require_one_folder(images: Sequence[ClassFile], splits: Sequence[str], place: str) -> None:
    """Raise ValueError if a class has folders in several places: only one of them may hold its test images."""
    places: dict[int, dict[str, ClassFile]] = {}
    for file in images:
        above = "/".join(folder for folder in file.above if folder not in splits)
        places.setdefault(file.label, {}).setdefault(above, file)
    for found in places.values():
        if len(found) > 1:
            first, *_, last = sorted(found)
            folders = [f"{above}/{found[above].name.split('/')[0]}".lstrip("/") for above in sorted(found)]
            one = f", or name the one to use: `split: {first.split('/')[-1]}`" if first else ""
            raise ValueError(
                f"{place}: found a class in {len(folders)} folders, {', '.join(map(repr, folders))}, expected one. Leave the others out, "
                f"e.g. `ignore: {as_yaml([last])}`{one}."
            )


def require_matching_folders(
    place: str,
    label_map: LabelMap,
    found: Container[int],
    unknown: Sequence[str],
    strays: Sequence[str],
    advice: str = "",
) -> None:
    """Raise an error if a class has no folder, or images are in no folder of a class.

    Parameters
    ----------
    place : str
        The folder or archive.
    label_map : LabelMap
        The classes of the data set.
    found : container of int
        Labels of the classes that have folders.
    unknown : sequence of str
        Paths of folders that have the name of no class.
    strays : sequence of str
        Paths of images in no folder below `place`, or beside the folders of the classes.
    advice : str
        What to do, if it is known; the default follows from the names.

    Raises
    ------
    FileNotFoundError
        A class has no folder.
    ValueError
        Every class has a folder, but there are others.
    """
    names, problems = label_map.names, []
    known = {name for label, name in enumerate(names) if label in found}
    missing = [] if label_map.dataset.allow_empty else list(dict.fromkeys(name for name in names if name not in known))
    if missing:
        problems.append(
            f"found no sub-folder {missing[0]!r}, expected one for each class name ({len(missing)} missing)"
        )
    if unknown:
        problems.append(f"found sub-folders that have the name of no class: {shorten(unknown)}")
    if strays:
        problems.append(f"found images in the folder of no class: {shorten(strays)}")
    if not problems:
        return
    raise (FileNotFoundError if missing else ValueError)(
        f"{place}: {'; '.join(problems)}. {advice or _advise(label_map, bool(missing), unknown, strays)}"
    )


def _advise(label_map: LabelMap, is_missing: bool, unknown: Sequence[str], strays: Sequence[str]) -> str:
    """Return what to do about missing classes, folders of no class and images in the folder of no class."""
    advice = [label_map.advise([PurePosixPath(path).name for path in unknown])] if is_missing and unknown else []
    if rest := [*unknown, *strays]:
        advice.append(f"To leave them out, write `ignore: {as_yaml(rest)}` in the source.")
    if is_missing:
        advice.append("To evaluate without images of a class, write `allow_empty: true` in the data set's YAML.")
    return " ".join(advice)


def as_yaml(names: Sequence[str]) -> str:
    """Return a list of names as it may be written into a YAML file."""
    return json.dumps(list(names), ensure_ascii=False)


def shorten(names: Sequence[str], count: int = 20) -> str:
    """Return the first names, quoted, and how many there are."""
    return ", ".join(map(repr, names[:count])) + (f", ... ({len(names)} in all)" if len(names) > count else "")


def format_skipped(skipped: Mapping[tuple[int | None, str], int]) -> str:
    """Return the number of skipped files by reason."""
    reasons: Counter[str] = Counter()
    for (_, reason), count in skipped.items():
        reasons[reason] += count
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "nothing"
