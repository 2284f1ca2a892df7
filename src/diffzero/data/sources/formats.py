"""Test images as the authors of a data set publish them: one function a format, none of which unpickles anything."""

import gzip
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from diffzero.config import Archive, Dataset
from diffzero.data.labels import LabelMap
from diffzero.data.sources import image_folder
from diffzero.data.sources.base import IMAGE_SUFFIXES, TestSet, make_test_set
from diffzero.download.archives import ArchiveLimits, iter_members
from diffzero.download.url import download_url


def load(source: Archive, dataset: Dataset, root: Path) -> TestSet:
    """The test images of files from plain addresses, by their layout."""
    paths = [download_url(file.url, PurePosixPath(file.url).name, file.digest) for file in source.files]
    try:
        return FORMATS[source.format](source, dataset, paths)
    except (EOFError, zlib.error, KeyError, TypeError, NotImplementedError) as error:  # of gzip and scipy
        raise ValueError(
            f"{', '.join(map(str, paths))}: cannot be read as {source.format} ({type(error).__name__}: {error})."
        ) from error


def encode_pnm(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels [height, width] or [height, width, 3] as a binary PGM or PPM: its bytes, unlike a PNG's, depend on no compressor."""
    height, width = pixels.shape[:2]
    return b"P%d\n%d %d\n255\n" % (6 if pixels.ndim == 3 else 5, width, height) + np.ascontiguousarray(pixels).tobytes()


def _arrays(pixels: NDArray[np.uint8], labels: Sequence[int]) -> TestSet:
    """A TestSet of pixels [image, height, width(, 3)] that lie in memory."""
    if len(pixels) != len(labels):
        raise ValueError(
            f"found {len(pixels)} images and {len(labels)} labels, expected as many of one as of the other."
        )
    return make_test_set(
        [f"test-{k:06d}" for k in range(len(labels))],
        labels,
        lambda wanted: {name: encode_pnm(pixels[int(name.removeprefix("test-"))]) for name in wanted},
    )


def _members(archive: Path, *endings: str) -> list[bytes]:
    """The content of the members with these endings, in their order."""
    found = {}
    for name, data in iter_members(archive, lambda name: name.endswith(endings)):
        found[next(ending for ending in endings if name.endswith(ending))] = data
    missing = [ending for ending in endings if ending not in found]
    if missing:
        raise ValueError(f"{archive}: found no member ending in {missing[0]}, expected {', '.join(endings)}.")
    return [found[ending] for ending in endings]


def _lines(text: bytes) -> list[str]:
    return [line.strip() for line in text.decode().splitlines() if line.strip()]


def _records(data: bytes, size: int, archive: Path) -> NDArray[np.uint8]:
    """`data` as records [record, size]; raises ValueError for a rest."""
    if not data or len(data) % size:
        raise ValueError(f"{archive}: found {len(data)} bytes, expected a multiple of {size}.")
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, size)


def _cifar(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """CIFAR's binary version: one label byte, or a coarse and a fine one, then 32 x 32 pixels, channel by channel."""
    few = source.format == "cifar10"
    data, names = _members(
        paths[0], *(("test_batch.bin", "batches.meta.txt") if few else ("/test.bin", "fine_label_names.txt"))
    )
    records = _records(data, (1 if few else 2) + 3072, paths[0])
    classes = LabelMap(dataset, _lines(names))
    pixels = records[:, -3072:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _arrays(pixels, [classes(label) for label in records[:, -3073].tolist()])


def _idx(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """MNIST's format: big-endian magic number and sizes, then unsigned bytes."""
    pixels, labels = (_idx_array(path, dimensions) for path, dimensions in zip(paths, (3, 1), strict=True))
    classes = LabelMap(dataset)
    return _arrays(pixels, [classes(label) for label in labels.tolist()])


def _idx_array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        magic, *shape = np.frombuffer(file.read(4 + 4 * dimensions), dtype=">u4").tolist()
        # No more than the header announces, itself bounded: a small gzip file may unpack to anything.
        body = file.read(min(math.prod(shape), ArchiveLimits.member_bytes) + 1) if magic == 0x800 + dimensions else b""
    if magic != 0x800 + dimensions or len(body) != math.prod(shape):
        raise ValueError(
            f"{path}: found magic number {magic:#x}, sizes {shape} and {len(body)} or more bytes, expected {0x800 + dimensions:#x} "
            "and a byte a pixel or label."
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def _stl10(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """STL-10's binary version: 96 x 96 pixels column by column, channel by channel; labels from 1."""
    data, labels, names = _members(paths[0], "test_X.bin", "test_y.bin", "class_names.txt")
    classes = LabelMap(dataset, _lines(names))
    pixels = _records(data, 3 * 96 * 96, paths[0]).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    return _arrays(pixels, [classes(label - 1) for label in labels])


def _svhn(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """SVHN's format 2: X [row, column, channel, image] and y [image, 1], where 10 stands for the digit 0."""
    file = loadmat(paths[0], variable_names=["X", "y"])
    classes = LabelMap(dataset)
    return _arrays(file["X"].transpose(3, 0, 1, 2), [classes(int(label) % 10) for label in file["y"].ravel()])


def _listed(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """An archive that lists its test images, `class/image` a line with or without the ending (DTD, Food-101)."""
    (text,) = _members(paths[0], source.listing)
    listed, classes = _lines(text), LabelMap(dataset)
    whole = {
        PurePosixPath(line).with_suffix("").as_posix() if line.lower().endswith(IMAGE_SUFFIXES) else line: line
        for line in listed
    }

    def line_of(name: str) -> str | None:
        path = PurePosixPath(name)
        return whole.get(f"{path.parent.name}/{path.stem}") if path.suffix.lower() in IMAGE_SUFFIXES else None

    return make_test_set(
        listed, [classes(line.split("/")[0]) for line in listed], lambda wanted: _pictures(paths[0], line_of, wanted)
    )


def _pets(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Oxford Pets: `annotations/test.txt` has the image's name, whose last part is its number, and the class id from 1."""
    (text,) = _members(paths[1], "annotations/test.txt")
    rows, classes = [line.split() for line in _lines(text) if not line.startswith("#")], LabelMap(dataset)
    labels = [classes(name.rsplit("_", 1)[0]) for name, *_ in rows]
    wrong = next((row for row, label in zip(rows, labels, strict=True) if int(row[1]) - 1 != label), None)
    if wrong:
        raise ValueError(
            f"{paths[1]}: found class id {wrong[1]} for {wrong[0]}, expected {classes(wrong[0].rsplit('_', 1)[0]) + 1}."
        )
    names = [row[0] for row in rows]
    return make_test_set(
        names, labels, lambda wanted: _pictures(paths[0], lambda name: PurePosixPath(name).stem, wanted)
    )


def _pictures(archive: Path, name_of: Callable[[str], str | None], wanted: Sequence[str]) -> dict[str, bytes]:
    """The wanted images of an archive; `name_of` a member says which image it is."""
    names = set(wanted)
    members = iter_members(archive, lambda member: member.lower().endswith(IMAGE_SUFFIXES) and name_of(member) in names)
    found = {name_of(member): data for member, data in members if not PurePosixPath(member).name.startswith("._")}
    if missing := sorted(names - found.keys()):
        raise ValueError(f"{archive}: found no image {missing[0]}, which its list names ({len(missing)} missing).")
    return found


def _folders(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """An archive with one folder per class, all of whose images are test images."""
    return image_folder.load_archive(paths[0], dataset)


FORMATS: dict[str, Callable[[Archive, Dataset, list[Path]], TestSet]] = {
    "cifar10": _cifar, "cifar100": _cifar, "idx": _idx, "stl10": _stl10, "svhn": _svhn,
    "listed": _listed, "pets": _pets, "folders": _folders,
}  # fmt: skip
