"""Formats of archives: one function per format. None of them unpickles."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diffzero.data.file_listing import is_hidden
from diffzero.data.labels import LabelMap
from diffzero.data.sources.archive import Archive, archive_format
from diffzero.data.sources.base import IMAGE_SUFFIXES, TestSet
from diffzero.data.sources.class_folders import as_list
from diffzero.data.sources.image_archive import load_archive

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset


@archive_format("cifar10")
@archive_format("cifar100")
def load_cifar(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read CIFAR's binary version: a label byte (CIFAR-100: coarse and fine), then 32 x 32 pixels, channel by channel."""
    has_coarse = source.format == "cifar100"
    members = ("/test.bin", "fine_label_names.txt") if has_coarse else ("test_batch.bin", "batches.meta.txt")
    data, names = _read_members(paths[0], *members)
    records = _split_records(data, 1 + has_coarse + 3072, paths[0])
    label_map = LabelMap(dataset, _lines(names), f"{paths[0]}, {members[1]}")
    pixels = records[:, -3072:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # [image, row, column, channel]
    return pixel_test_set(pixels, [label_map.to_label(label) for label in records[:, -3073].tolist()])


@archive_format("idx", n_files=2)
def load_idx(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read MNIST's format: a file of images and a file of labels."""
    pixels, labels = (read_idx(path, dimensions) for path, dimensions in zip(paths, (3, 1), strict=True))
    label_map = LabelMap(dataset)
    return pixel_test_set(pixels, [label_map.to_label(label) for label in labels.tolist()])


@archive_format("stl10")
def load_stl10(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read STL-10's binary version: 96 x 96 pixels column by column, channel by channel; labels from 1."""
    data, labels, names = _read_members(paths[0], "test_X.bin", "test_y.bin", "class_names.txt")
    label_map = LabelMap(dataset, _lines(names), f"{paths[0]}, class_names.txt")
    pixels = _split_records(data, 3 * 96 * 96, paths[0]).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    return pixel_test_set(pixels, [label_map.to_label(label - 1) for label in labels])


@archive_format("svhn")
def load_svhn(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read SVHN's format 2: X [row, column, channel, image] and y [image, 1], where 10 means the digit 0."""
    from scipy.io import loadmat

    file = loadmat(paths[0], variable_names=["X", "y"])
    label_map = LabelMap(dataset)
    numbers = file["y"].ravel().tolist()
    if wrong := [number for number in numbers if number not in range(1, 11)]:
        raise ValueError(f"{paths[0]}: found label {wrong[0]} in y, expected 1 to 10.")
    labels = [label_map.to_label(int(number) % 10) for number in numbers]
    return pixel_test_set(file["X"].transpose(3, 0, 1, 2), labels)


@archive_format("listed", has_listing=True)
def load_listed(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read an archive that lists its test images, one `class/image` per line with or without the suffix (DTD, Food-101)."""
    (text,) = _read_members(paths[0], str(source.listing))
    listed, label_map = _lines(text), LabelMap(dataset)
    line_of = {
        PurePosixPath(line).with_suffix("").as_posix() if line.lower().endswith(IMAGE_SUFFIXES) else line: line
        for line in listed
    }

    def name_of(member: str) -> str | None:
        path = PurePosixPath(member)
        return line_of.get(f"{path.parent.name}/{path.stem}")

    labels = [label_map.to_label(line.split("/")[0]) for line in listed]
    return TestSet(listed, labels, lambda wanted: _read_images(paths[0], name_of, wanted))


@archive_format("pets", n_files=2)
def load_pets(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read Oxford Pets: each line of `annotations/test.txt` has an image name `class_number` and the class id from 1."""
    (text,) = _read_members(paths[1], "annotations/test.txt")
    rows = [line.split() for line in _lines(text) if not line.startswith("#")]
    label_map, names, labels = LabelMap(dataset), [], []
    for name, class_id, *_ in rows:
        label = label_map.to_label(name.rsplit("_", 1)[0])
        if int(class_id) != label + 1:
            raise ValueError(f"{paths[1]}: found class id {class_id} for {name}, expected {label + 1}.")
        names.append(name)
        labels.append(label)
    return TestSet(
        names, labels, lambda wanted: _read_images(paths[0], lambda member: PurePosixPath(member).stem, wanted)
    )


@archive_format("folders", has_folders=True)
def load_folders(source: Archive, dataset: Dataset, paths: list[Path]) -> TestSet:
    """Read an archive with one folder per class, all of whose images are test images."""
    return load_archive(paths[0], dataset, source.ignore, as_list(source.split))


def encode_pnm(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels [height, width] or [height, width, 3] as a binary PGM or PPM: unlike a PNG, it does not depend on a compressor."""
    height, width = pixels.shape[:2]
    return b"P%d\n%d %d\n255\n" % (6 if pixels.ndim == 3 else 5, width, height) + np.ascontiguousarray(pixels).tobytes()


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Return the array in an IDX file: a big-endian magic number, the size of each dimension, unsigned bytes."""
    from diffzero.download.archives import ArchiveLimits

    magic_number = 0x800 + dimensions
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        magic, *shape = np.frombuffer(file.read(4 + 4 * dimensions), dtype=">u4").tolist()
        # At most the bytes that the header states, themselves limited: a small gzip file may unpack to any size.
        body = file.read(min(math.prod(shape), ArchiveLimits.member_bytes) + 1) if magic == magic_number else b""
    if magic != magic_number or len(body) != math.prod(shape):
        raise ValueError(
            f"{path}: found magic number {magic:#x}, sizes {shape} and {len(body)} or more bytes, expected {magic_number:#x} "
            "and one byte per pixel or label."
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def pixel_test_set(pixels: NDArray[np.uint8], labels: Sequence[int]) -> TestSet:
    """Return the test set of pixels [image, height, width(, 3)] in memory."""
    if len(pixels) != len(labels):
        raise ValueError(f"found {len(pixels)} images and {len(labels)} labels, expected equal numbers.")
    names = [f"test-{k:06d}" for k in range(len(labels))]
    return TestSet(
        names,
        labels,
        lambda wanted: {name: encode_pnm(pixels[int(name.removeprefix("test-"))]) for name in wanted},
    )


def _read_members(archive: Path, *endings: str) -> list[bytes]:
    """Return the contents of the members with these endings, in this order."""
    from diffzero.download.archives import iter_members

    found: dict[str, bytes] = {}
    member_of: dict[str, str] = {}
    for name, data in iter_members(archive, lambda name: name.endswith(endings) and _is_visible(name)):
        ending = next(ending for ending in endings if name.endswith(ending))
        if ending in found:
            raise ValueError(
                f"{archive}: found {member_of[ending]} and {name}, expected one member ending in {ending}."
            )
        found[ending], member_of[ending] = data, name
    missing = [ending for ending in endings if ending not in found]
    if missing:
        raise ValueError(f"{archive}: found no member ending in {missing[0]}, expected {', '.join(endings)}.")
    return [found[ending] for ending in endings]


def _read_images(archive: Path, name_of: Callable[[str], str | None], wanted: Sequence[str]) -> dict[str, bytes]:
    """Return the wanted images of an archive; `name_of` returns the image name of a member."""
    from diffzero.download.archives import iter_members

    names = set(wanted)

    def is_wanted(member: str) -> bool:
        return (
            PurePosixPath(member).suffix.lower() in IMAGE_SUFFIXES and _is_visible(member) and name_of(member) in names
        )

    found: dict[str, bytes] = {}
    for member, data in iter_members(archive, is_wanted):
        name = str(name_of(member))
        if name in found:
            raise ValueError(
                f"{archive}: found two images for {name}, which its list names; one is {member}. Expected one."
            )
        found[name] = data
    if missing := sorted(names - found.keys()):
        raise ValueError(f"{archive}: found no image {missing[0]}, which its list names ({len(missing)} missing).")
    return found


def _is_visible(member: str) -> bool:
    return not any(map(is_hidden, PurePosixPath(member).parts))


def _lines(text: bytes) -> list[str]:
    return [line.strip() for line in text.decode().splitlines() if line.strip()]


def _split_records(data: bytes, size: int, archive: Path) -> NDArray[np.uint8]:
    """Return `data` as records [record, size]. Raises ValueError for a rest."""
    if not data or len(data) % size:
        raise ValueError(f"{archive}: found {len(data)} bytes, expected a multiple of {size}.")
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, size)
