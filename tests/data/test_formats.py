"""Archive formats: small files in the original formats of the data sets, from a local server."""

import gzip
import hashlib
import io
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from data_server import DataServer
from diffzero.config import Dataset, load_dataset
from diffzero.data.decode import decode_image
from diffzero.data.selection import load_test_images
from diffzero.data.sources.archive import Archive, Download
from diffzero.data.sources.formats import encode_pnm, read_idx
from diffzero.data.transforms import encode_png

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def server():
    with DataServer() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFZERO_CACHE", str(tmp_path / "cache"))


def load(server: DataServer, name: str, *files: bytes, count: int = 100) -> pd.DataFrame:
    """Load a shipped data set from its archive source with `files` in place of the published ones."""
    dataset = load_dataset(name, ROOT)
    archive = next(source for source in dataset.all_sources if isinstance(source, Archive))
    downloads = []
    for file, data in zip(archive.files, files, strict=True):
        path = f"{name}/{hashlib.sha256(data).hexdigest()[:8]}/{file.url.rsplit('/', 1)[1]}"
        server.plain[path] = data
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if file.digest else None
        downloads.append(Download(url=f"{server.url}/{path}", digest=digest))
    source = archive.model_copy(update={"files": downloads})
    changed = {"sources": [], "source": source, "test_size": None, "allow_empty": True}
    return load_test_images(dataset.model_copy(update=changed), count, 0, ROOT)


def tar(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def pixels_of(found: pd.DataFrame) -> dict[str, np.ndarray]:
    return {row.image: np.asarray(decode_image(row.bytes, row.image)) for row in found.itertuples()}


def labels_of(found: pd.DataFrame) -> dict[str, int]:
    return dict(zip(found["image"], found["label"], strict=True))


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), (number, 0, 0)).save(stream, format="JPEG")
    return stream.getvalue()


def lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


@pytest.mark.parametrize(
    ("name", "inner_dir", "file", "meta", "coarse"),
    [
        ("cifar10", "cifar-10-batches-bin", "test_batch.bin", "batches.meta.txt", b""),
        ("cifar100", "cifar-100-binary", "test.bin", "fine_label_names.txt", b"\x07"),
    ],
)
def test_cifar_records_are_read_and_cifar100_uses_the_fine_label(server, name, inner_dir, file, meta, coarse):
    images = RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    labels = [9, 0, 4]
    records = b"".join(
        coarse + bytes([k]) + image.transpose(2, 0, 1).tobytes() for k, image in zip(labels, images, strict=True)
    )
    names = lines([n.replace(" ", "_") for n in load_dataset(name, ROOT).classnames]) + b"\n"
    members = {
        f"{inner_dir}/data_batch_1.bin": records[:1],
        f"{inner_dir}/train.bin": b"",
        f"{inner_dir}/{file}": records,
        f"{inner_dir}/{meta}": names,
    }
    found = load(server, name, tar(members))
    assert labels_of(found) == {f"test-{k:06d}": label for k, label in enumerate(labels)}
    assert all(np.array_equal(pixels, images[int(key[5:])]) for key, pixels in pixels_of(found).items())
    with pytest.raises(ValueError, match=f"found {len(records) - 1} bytes, expected a multiple of"):
        load(server, name, tar({**members, f"{inner_dir}/{file}": records[:-1]}))
    with pytest.raises(ValueError, match=f"found no member ending in .*{meta}"):
        load(server, name, tar({f"{inner_dir}/{file}": records}))


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def test_mnist_is_read_from_big_endian_idx(server):
    images = RANDOM.integers(0, 256, (4, 28, 28), dtype=np.uint8)
    labels = np.array([7, 2, 1, 0], np.uint8)
    found = load(server, "mnist", gzip.compress(idx(images)), gzip.compress(idx(labels)))
    assert labels_of(found) == {f"test-{k:06d}": label for k, label in enumerate(labels)}
    assert all(np.array_equal(pixels[..., 0], images[int(key[5:])]) for key, pixels in pixels_of(found).items())
    with pytest.raises(ValueError, match="found 4 images and 3 labels"):
        load(server, "mnist", gzip.compress(idx(images)), gzip.compress(idx(labels[:3])))
    with pytest.raises(ValueError, match="magic number 0x801, .* expected 0x803"):
        load(server, "mnist", gzip.compress(idx(labels)), gzip.compress(idx(images)))


def test_a_broken_file_is_named_with_its_format(server):
    whole = gzip.compress(idx(np.zeros((4, 28, 28), np.uint8)))
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte.gz.*cannot be read as idx"):
        load(server, "mnist", whole[:-20], whole)


def test_stl10_is_read_by_columns_with_labels_from_one(server):
    images = RANDOM.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    names = load_dataset("stl10", ROOT).classnames
    members = {
        "stl10_binary/class_names.txt": lines(names), "stl10_binary/train_X.bin": b"", "stl10_binary/train_y.bin": b"",
        "stl10_binary/test_X.bin": images.transpose(0, 3, 2, 1).tobytes(), "stl10_binary/test_y.bin": bytes([1, 10, 5]),
    }  # fmt: skip
    found = load(server, "stl10", tar(members))
    assert labels_of(found) == {"test-000000": 0, "test-000001": 9, "test-000002": 4}
    assert all(np.array_equal(pixels, images[int(key[5:])]) for key, pixels in pixels_of(found).items())


def test_the_class_names_of_stl10_have_the_published_digest():
    """The MD5 of class_names.txt in a public record of the archive proves the order of the labels."""
    names = "\n".join(load_dataset("stl10", ROOT).classnames)
    assert "6de44d022411c4d5cda4673b7f147c3f" in {
        hashlib.md5(text.encode()).hexdigest() for text in (names, names + "\n")
    }


def test_label_10_of_svhn_is_the_digit_0(server, tmp_path):
    images = RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    savemat(tmp_path / "test.mat", {"X": images.transpose(1, 2, 3, 0), "y": np.array([[10], [1], [9]], np.uint8)})
    found = load(server, "svhn", (tmp_path / "test.mat").read_bytes())
    assert labels_of(found) == {"test-000000": 0, "test-000001": 1, "test-000002": 9}
    assert all(np.array_equal(pixels, images[int(key[5:])]) for key, pixels in pixels_of(found).items())


@pytest.mark.parametrize("label", [11, 255, 1.5, 0])
def test_a_label_that_svhn_does_not_have_is_refused(server, tmp_path, label):
    images = RANDOM.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    savemat(tmp_path / "test.mat", {"X": images.transpose(1, 2, 3, 0), "y": np.array([[1], [label]])})
    with pytest.raises(ValueError, match=f"found label {label} in y, expected 1 to 10"):
        load(server, "svhn", (tmp_path / "test.mat").read_bytes())


def test_two_files_for_one_image_or_list_are_refused_and_hidden_ones_left_out(server):
    listed = ["banded/banded_0002.jpg", "zigzagged/zigzagged_0119.jpg"]
    members = {f"dtd/images/{name}": jpeg(k) for k, name in enumerate(listed)} | {"dtd/labels/test1.txt": lines(listed)}
    hidden = {"__MACOSX/dtd/labels/test1.txt": b"\0\5", "dtd/images/banded/._banded_0002.jpg": b"\0\5"}
    assert len(load(server, "dtd", tar({**members, **hidden}))) == 2
    with pytest.raises(ValueError, match="found two images for banded/banded_0002.jpg"):
        load(server, "dtd", tar({**members, "dtd/masks/banded/banded_0002.png": jpeg(9)}))
    with pytest.raises(ValueError, match="expected one member ending in dtd/labels/test1.txt"):
        load(server, "dtd", tar({**members, "old/dtd/labels/test1.txt": lines(listed[::-1])}))


def test_dtd_uses_the_images_of_its_first_test_list(server):
    listed = ["banded/banded_0002.jpg", "zigzagged/zigzagged_0119.jpg"]
    members = {f"dtd/images/{name}": jpeg(k) for k, name in enumerate([*listed, "banded/banded_0004.jpg"])}
    members |= {"dtd/labels/test1.txt": lines(listed), "dtd/labels/test10.txt": b"banded/banded_0004.jpg\n"}
    found = load(server, "dtd", tar(members))
    assert labels_of(found) == {listed[0]: 0, listed[1]: 46}
    assert {row.image: row.bytes for row in found.itertuples()} == {name: jpeg(k) for k, name in enumerate(listed)}
    with pytest.raises(ValueError, match="found no image banded/banded_0002.jpg, which its list names"):
        load(server, "dtd", tar({"dtd/labels/test1.txt": lines(listed), "dtd/images/x.jpg": b""}))


def test_food101_labels_are_folders_and_its_list_has_no_suffixes(server):
    listed = ["cheese_plate/1", "cheesecake/2", "apple_pie/1"]
    members = {f"food-101/images/{name}.jpg": jpeg(k) for k, name in enumerate([*listed, "waffles/9"])}
    found = load(
        server,
        "food101",
        tar({**members, "food-101/meta/test.txt": lines(listed), "food-101/meta/train.txt": b"waffles/9\n"}),
    )
    names = load_dataset("food101", ROOT).classnames
    assert {key: names[label] for key, label in labels_of(found).items()} == {
        "cheese_plate/1": "cheese plate", "cheesecake/2": "cheesecake", "apple_pie/1": "apple pie",
    }  # fmt: skip
    assert {row.image: row.bytes for row in found.itertuples()} == {name: jpeg(k) for k, name in enumerate(listed)}


def test_pets_class_ids_count_from_one_and_must_agree_with_the_names(server):
    names = {"Abyssinian_201": 0, "yorkshire_terrier_9": 36, "american_bulldog_100": 1, "Bengal_3": 5}
    members = {f"images/{name}.jpg": jpeg(k) for k, name in enumerate([*names, "Birman_1"])}
    members |= {"images/._Bengal_3.jpg": b"what another system leaves behind"}
    text = "#Image CLASS-ID SPECIES BREED ID\n" + "".join(f"{name} {label + 1} 1 1\n" for name, label in names.items())
    annotations = {"annotations/test.txt": text.encode(), "annotations/trainval.txt": b"Birman_1 7 1 3\n"}
    found = load(server, "pets", tar(members), tar(annotations))
    assert labels_of(found) == names
    assert {row.image: row.bytes for row in found.itertuples()} == {name: jpeg(k) for k, name in enumerate(names)}
    with pytest.raises(ValueError, match="found class id 2 for Abyssinian_201, expected 1"):
        load(server, "pets", tar(members), tar({"annotations/test.txt": b"Abyssinian_201 2 1 1\n"}))


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_of_class_folders_has_the_image_names_of_the_folder(server, kind, tmp_path):
    dataset = load_dataset("cue_conflict", ROOT)
    sample = ROOT / "tests/files/cue-conflict"
    members = {
        f"cue-conflict/{path.relative_to(sample).as_posix()}": path.read_bytes()
        for path in sorted(sample.rglob("*.png"))
    }
    if kind == "zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        data = stream.getvalue()
    else:
        data = tar({**members, "cue-conflict/README": b"no image"})
    found = load(server, "cue_conflict", data)
    from_folder = dataset.model_copy(
        update={
            "sources": [],
            "source": dataset.all_sources[0].model_copy(update={"path": str(sample)}),
            "test_size": None,
        }
    )
    expected = load_test_images(from_folder, 100, 0, ROOT)
    pd.testing.assert_frame_equal(found.drop(columns="source"), expected.drop(columns="source"))


def test_wrong_bytes_are_not_used(server):
    dataset = load_dataset("cue_conflict", ROOT)
    server.plain["wrong.tar.gz"] = tar({"bear/bear1-cat1.png": encode_png(np.zeros((4, 4), np.uint8))})
    files = [Download(url=f"{server.url}/wrong.tar.gz", digest=f"sha256:{'0' * 64}")]
    source = dataset.all_sources[1].model_copy(update={"files": files})
    with pytest.raises((OSError, ValueError), match="wrong.tar.gz.*0000000000"):
        load_test_images(Dataset.model_copy(dataset, update={"sources": [], "source": source}), 5, 0, ROOT)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_encode_pnm_keeps_every_pixel(shape):
    pixels = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    found = np.asarray(Image.open(io.BytesIO(encode_pnm(pixels))))
    assert np.array_equal(found, pixels)


def test_a_gzip_file_is_decompressed_only_as_far_as_its_header_states(tmp_path):
    with gzip.open(tmp_path / "bomb.gz", "wb") as file:
        file.write(idx(np.zeros((1, 4, 4), np.uint8)))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bomb.gz: found magic number 0x803, sizes \[1, 4, 4\] and 17 or more bytes"):
        read_idx(tmp_path / "bomb.gz", 3)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()
