"""Test images in tar shards on the hub, as CLIP_benchmark and DataComp keep them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from diffzero.data.class_names import ClassNames
from diffzero.data.file_listing import is_hidden
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import IMAGE_SUFFIXES, HubSource, TestSet
from diffzero.utils.fields import Digest, Text

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset

CLASS_NAMES = "classnames.txt"


class Webdataset(HubSource):
    """Tar files of a data set on the hub, as CLIP_benchmark and DataComp keep them."""

    renamed_keys = {"names": "label_names"}

    kind: Literal["webdataset"]
    """A repository of tar shards: `{split}/nshards.txt`, `{split}/0.tar`, ..., `classnames.txt`; samples of `.cls` and an image."""
    split: Text = "test"
    """Folder of the shards."""
    label_names: ClassNames = Field([])
    """Class names in the order of this source's labels, if it has no `classnames.txt` and the order is not that of `classnames`."""
    digests: dict[str, Digest] = Field({})
    """Expected digests of shards, by their path: `test/0.tar: sha256:...`."""

    def owns_file(self, name: str) -> bool:
        """Return whether a file of the repository is needed for the split."""
        return name.startswith(f"{self.split}/") or (name == CLASS_NAMES and not self.label_names)

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return every sample of the split, named by its key.

        Labels are matched by class name, because sources order the classes differently.
        """
        from diffzero.download.archives import iter_members

        n_shards = self._shard_count()
        # All files in one call, so that a disk that is too small is found before the first download.
        self.repository.download_files(self.owns_file)
        shards = [self._download_shard(f"{self.split}/{k}.tar") for k in range(n_shards)]
        label_map = LabelMap(
            dataset,
            self._class_names(),
            f"{self.repo}, {'label_names' if self.label_names else CLASS_NAMES}",
            partial=bool(self.label_names) and dataset.allow_empty,
        )
        images: set[str] = set()

        def is_label(name: str) -> bool:
            if _is_image(name):
                images.add(_sample_key(name))
            return name.endswith(".cls") and _is_visible(name)

        found = [(shard, name, data) for shard in shards for name, data in iter_members(shard, is_label)]
        keys = [_sample_key(name) for _, name, _ in found]
        if repeated := [key for key, count in Counter(keys).items() if count > 1]:
            raise ValueError(f"{self.repo}: found sample {repeated[0]} twice, expected unique keys.")
        if unlabelled := sorted(images - set(keys)):
            raise ValueError(
                f"{self.repo}: found no label of sample {unlabelled[0]} ({len(unlabelled)} of {len(images)} images have none), expected "
                f"{unlabelled[0]}.cls beside the image."
            )
        labels = label_map.to_labels(
            [_parse_label(data) for _, _, data in found], lambda k: f"{self.repo}, {found[k][0].name}, {found[k][1]}"
        )
        return TestSet(keys, labels, lambda wanted: self._read(shards, set(wanted)))

    def _read(self, shards: Sequence[Path], wanted: set[str]) -> dict[str, bytes]:
        from diffzero.download.archives import iter_members

        def is_wanted(name: str) -> bool:
            return _is_image(name) and _sample_key(name) in wanted

        found = [(_sample_key(name), data) for shard in shards for name, data in iter_members(shard, is_wanted)]
        repeated = [key for key, count in Counter(key for key, _ in found).items() if count > 1]
        missing = sorted(wanted - {key for key, _ in found})
        if repeated or missing:
            what = f"no image of sample {missing[0]}" if missing else f"two images of sample {repeated[0]}"
            raise ValueError(f"{self.repo}: found {what}, expected one file ending in {', '.join(IMAGE_SUFFIXES)}.")
        return dict(found)

    def _download_shard(self, name: str) -> Path:
        """Return one shard; its digest is compared if it is known."""
        from diffzero.utils.io import sha256_of

        path = self.repository.download_file(name)
        expected = self.digests.get(name)
        if expected and (found := f"sha256:{sha256_of(path)}") != expected:
            raise ValueError(
                f"{self.repo}, {name}: found {found}, expected {expected}. Delete {path} and re-run the same command."
            )
        return path

    def _shard_count(self) -> int:
        name = f"{self.split}/nshards.txt"
        text = self._read_text(name).strip()
        if not re.fullmatch("[0-9]+", text):
            raise ValueError(f"{self.repo}, {name}: found {text[:40]!r}, expected the number of shards.")
        return int(text)

    def _class_names(self) -> list[str]:
        """Return the class names in the order of the source's labels: from the configuration, else from the repository."""
        if self.label_names:
            return self.label_names
        lines = [line.strip() for line in self._read_text(CLASS_NAMES).rstrip().split("\n")]
        if "" in lines:
            raise ValueError(
                f"{self.repo}, {CLASS_NAMES}, line {lines.index('') + 1}: found no name, expected one per line: line n is label n - 1. "
                "Write the names under `label_names`."
            )
        return lines

    def _read_text(self, name: str) -> str:
        try:
            return self.repository.download_file(name).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.repo}, {name}: found text that is not UTF-8 ({error}).") from error


def _is_visible(name: str) -> bool:
    return not any(map(is_hidden, PurePosixPath(name).parts))


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and _is_visible(name)


def _sample_key(name: str) -> str:
    """Return the sample that a member belongs to: its file name up to the first dot."""
    return PurePosixPath(name).name.split(".", 1)[0]


def _parse_label(data: bytes) -> object:
    """Return the content of a `.cls` file: a whole number in decimal digits, or else its text or bytes."""
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return data
    return int(text) if re.fullmatch("[+-]?[0-9]+", text) else text
