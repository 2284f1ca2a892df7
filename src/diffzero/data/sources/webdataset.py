"""Test images in the tar shards that CLIP_benchmark and DataComp keep on the hub."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from diffzero.config import Dataset, Webdataset
from diffzero.data.labels import LabelMap
from diffzero.data.sources.base import IMAGE_SUFFIXES, TestSet, make_test_set, owns_file
from diffzero.download.archives import iter_members
from diffzero.download.hub import HubRepo
from diffzero.utils.io import sha256_of


def load(source: Webdataset, dataset: Dataset, root: Path) -> TestSet:
    """Every sample of the split's shards, named by its key. Labels go by `classnames.txt`: sources order their classes differently."""
    count = int(_repo(source).download_file(f"{source.split}/nshards.txt").read_text())
    # All at once, so that a disk too small for them is told before the first.
    _repo(source).download_files(lambda name: owns_file(source, name))
    shards = [_shard(source, f"{source.split}/{k}.tar") for k in range(count)]
    classes = LabelMap(dataset, _class_names(source))
    labels: dict[str, int] = {}
    for shard in shards:
        for name, data in iter_members(shard, lambda name: name.endswith(".cls")):
            key = _key(name)
            if key in labels:
                raise ValueError(f"{source.repo}: found sample {key} twice, expected unique keys.")
            labels[key] = classes(int(data))

    def read(wanted: Sequence[str]) -> dict[str, bytes]:
        names, found = set(wanted), []
        for shard in shards:
            members = iter_members(shard, lambda name: name.lower().endswith(IMAGE_SUFFIXES) and _key(name) in names)
            found += [(_key(name), data) for name, data in members]
        twice = [key for key, times in Counter(key for key, _ in found).items() if times > 1]
        missing = sorted(names - {key for key, _ in found})
        if twice or missing:
            what = f"no image of sample {missing[0]}" if missing else f"two images of sample {twice[0]}"
            raise ValueError(f"{source.repo}: found {what}, expected one file ending in {', '.join(IMAGE_SUFFIXES)}.")
        return dict(found)

    return make_test_set(list(labels), list(labels.values()), read)


def _repo(source: Webdataset) -> HubRepo:
    return HubRepo(source.repo, source.revision, "dataset")


def _key(name: str) -> str:
    """A member's sample: its file name up to the first dot."""
    return PurePosixPath(name).name.split(".", 1)[0]


def _shard(source: Webdataset, name: str) -> Path:
    """One shard, downloaded and checked where its digest is known."""
    path = _repo(source).download_file(name)
    expected = source.digests.get(name)
    if expected and (found := f"sha256:{sha256_of(path)}") != expected:
        raise ValueError(f"{source.repo}, {name}: found {found}, expected {expected}. Delete {path} and try again.")
    return path


def _class_names(source: Webdataset) -> list[str]:
    """The repository's own class names in label order, or those in the configuration; none where neither is there."""
    if source.label_names:
        return source.label_names
    text = _repo(source).download_file("classnames.txt").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]
