"""Account for every file of a source: per class, how many images were found and used, and what was skipped and why."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypedDict

from diffzero.data.dataset import Dataset
from diffzero.data.decode import ImageError
from diffzero.data.sources.base import TestSet

log = logging.getLogger(__name__)


class ClassCount(TypedDict):
    """Numbers of files of one class."""

    label: int
    name: str
    found: int
    """Images, unreadable ones among them."""
    unreadable: int
    """Images that cannot be decoded, as far as they were read: those that no run selected were not."""
    used: int
    """Images that the run uses."""
    skipped: dict[str, int]
    """Other files in the folder of the class, by the reason why they are no test images."""


class UnreadableImage(TypedDict):
    """An image that cannot be decoded."""

    image: str
    label: int
    reason: str


class Account(TypedDict):
    """Account of a source, as selection.json holds it."""

    classes: list[ClassCount]
    outside_classes: dict[str, int]
    """Files in the folder of no class, by reason."""
    unreadable: list[UnreadableImage]
    """Images that were left out, with `unreadable: skip`."""


def account_for(dataset: Dataset, found: TestSet, used: Iterable[int], unreadable: list[UnreadableImage]) -> Account:
    """Return the account of a source.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    found : TestSet
        The images of the source.
    used : iterable of int
        Label of each image that the run uses.
    unreadable : list of UnreadableImage
        The images that cannot be decoded.
    """
    images, chosen = Counter(found.labels), Counter(used)
    broken = Counter(entry["label"] for entry in unreadable)
    skipped: dict[int | None, dict[str, int]] = {}
    for (label, reason), count in found.skipped.items():
        skipped.setdefault(label, {})[reason] = count
    classes = [
        ClassCount(
            label=label,
            name=name,
            found=images[label],
            unreadable=broken[label],
            used=chosen[label],
            skipped=skipped.get(label, {}),
        )
        for label, name in enumerate(dataset.classnames)
    ]
    return Account(classes=classes, outside_classes=skipped.get(None, {}), unreadable=unreadable)


def log_account(dataset: Dataset, account: Account, source: str) -> None:
    """Write the account of a source to the log: a line per class, and a warning per unreadable image that is left out."""
    for count in account["classes"]:
        log.info(
            "%s: class %r: found %d images (%d unreadable), used %d; skipped %s",
            dataset.title,
            count["name"],
            count["found"],
            count["unreadable"],
            count["used"],
            _format_reasons(count["skipped"]),
        )
    if account["outside_classes"]:
        log.info("%s: skipped outside the classes %s", dataset.title, _format_reasons(account["outside_classes"]))
    if account["unreadable"]:
        log.warning(
            "%s: %d unreadable images in %s are left out:%s",
            dataset.title,
            len(account["unreadable"]),
            source,
            list_unreadable(dataset, account["unreadable"]),
        )


def require_images(dataset: Dataset, account: Account, source: str) -> None:
    """Raise ValueError for classes without readable images, unless the data set allows them. Classes of one name share their images."""
    names = dataset.names_in_sources
    filled = {names[c["label"]] for c in account["classes"] if c["found"] > c["unreadable"]}
    empty = [count for count in account["classes"] if names[count["label"]] not in filled]
    if not empty:
        return
    if not dataset.allow_empty:
        listed = ", ".join(f"{names[c['label']]!r} ({_describe(c)})" for c in empty[:20])
        raise ValueError(
            f"{dataset.title}: found no images of {len(empty)} of its {len(names)} classes in {source}: {listed}"
            f"{', ...' if len(empty) > 20 else ''}. Add images or remove these classes from `classnames`. To evaluate without images of "
            "a class, write `allow_empty: true` in the data set's YAML."
        )
    message = "%s: %d of %d classes have no images in %s: %s"
    log.warning(message, dataset.title, len(empty), len(names), source, ", ".join(repr(c["name"]) for c in empty))


def refuse_unreadable(dataset: Dataset, unreadable: list[UnreadableImage], source: str) -> None:
    """Raise an ImageError that lists all unreadable images with class and reason, if there are any and the data set does not skip them."""
    if unreadable and dataset.unreadable == "error":
        raise ImageError(
            f"{dataset.title}: found {len(unreadable)} images that cannot be decoded in {source}:"
            f"{list_unreadable(dataset, unreadable)}\nReplace them by complete PNG, JPEG or WebP files or remove them. To leave them out "
            "and count them below Table 1, write `unreadable: skip` in the data set's YAML."
        )


def list_unreadable(dataset: Dataset, unreadable: list[UnreadableImage]) -> str:
    """Return a line per unreadable image."""
    return "".join(
        f"\n  image {entry['image']} (class {dataset.classnames[entry['label']]!r}): {entry['reason']}"
        for entry in unreadable
    )


def _describe(count: ClassCount) -> str:
    parts = [f"{count['unreadable']} unreadable"] if count["unreadable"] else []
    parts += [f"skipped {_format_reasons(count['skipped'])}"] if count["skipped"] else []
    return ", ".join(parts) or "no files"


def _format_reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in reasons.items()) or "nothing"
