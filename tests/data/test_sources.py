"""The shipped data sets from the hub: small files in the original formats from a local server."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_server import DataServer
from diffzero.config import Dataset, load_dataset
from diffzero.data.decode import decode_image
from diffzero.data.sources.parquet import Hub
from diffzero.data.sources.webdataset import Webdataset
from diffzero.utils.io import sha256_of
from hub_sources import load_from_hub, table
from source_files import colour, parquet, shards

ROOT = Path(__file__).parents[2]
# The class orders of known sources.
FOOD_WDS = ("cheese plate", "cheesecake")  # 16 and 17 of torchvision's order
EUROSAT_OPENAI = [
    "forest",
    "permanent crop land",
    "residential buildings or homes or apartments",
    "river",
    "pasture land",
    "lake or sea",
]


def by_class(found: pd.DataFrame, dataset: Dataset) -> dict[str, int]:
    """Return the number of the image that each class name has."""
    known = {colour(number): number for number in range(256)}
    rows = [(row, np.asarray(decode_image(row.bytes, row.image))[4, 4].tolist()) for row in found.itertuples()]
    return {dataset.classnames[row.label]: known[tuple(shown)] for row, shown in rows}


def only(name: str, kind: type) -> dict:
    """Return a shipped data set with only its sources of one kind and without its test size."""
    dataset = load_dataset(name, ROOT)
    return dataset.model_copy(
        update={
            "source": None,
            "sources": [s for s in dataset.all_sources if isinstance(s, kind)],
            "test_size": None,
            "allow_empty": True,
        }
    ).model_dump(mode="json")


def whole(name: str, **changes: object) -> dict:
    """Return a shipped data set without its test size."""
    return {**load_dataset(name, ROOT).model_dump(mode="json"), "test_size": None, "allow_empty": True, **changes}


def repository(name: str, kind: type) -> str:
    return next(source.repo for source in load_dataset(name, ROOT).all_sources if isinstance(source, kind))


def serve(server: DataServer) -> dict[str, dict]:
    """Return the files of the server, and the data sets to load: name -> settings."""
    repositories, test_sets = server.repositories, {}
    food = load_dataset("food101", ROOT).classnames
    other = [*food[:16], *FOOD_WDS, *food[18:]]
    keys = [name.replace(" ", "_") for name in food]
    # Image k shows the class classnames[k]; the tar shards swap the labels 16 and 17.
    rows = [(k, k) for k in (3, 16, 17, 100)]
    repositories[repository("food101", Hub)] = {
        "data/train-00000-of-00001.parquet": parquet("image", "label", [(0, 0)], keys),
        "data/validation-00000-of-00002.parquet": parquet("image", "label", rows[:2], keys),
        "data/validation-00001-of-00002.parquet": parquet("image", "label", rows[2:], keys),
    }
    repositories[repository("food101", Webdataset)] = shards(other, [(3, 3), (16, 17), (17, 16), (100, 100)])
    test_sets |= {"food-hub": only("food101", Hub), "food-shards": only("food101", Webdataset)}

    fine = [name.replace(" ", "_") for name in load_dataset("cifar100", ROOT).classnames]
    fine[26] = "cra"
    table = parquet("img", "fine_label", [(k, k) for k in (0, 26, 99)], fine, coarse_label=[9, 9, 9])
    repositories[repository("cifar100", Hub)] = {"cifar100/test-00000-of-00001.parquet": table}
    test_sets["cifar100"] = whole("cifar100")

    digits = [str(k) for k in range(10)]
    repositories[repository("svhn", Hub)] = {
        "cropped_digits/extra-00000-of-00001.parquet": parquet("image", "label", [(90, 9)], digits),
        "cropped_digits/test-00000-of-00001.parquet": parquet("image", "label", [(0, 0), (9, 9)], digits),
        "full_numbers/test-00000-of-00001.parquet": parquet("image", "label", [(91, 9)], digits),
    }
    test_sets["svhn"] = whole("svhn")
    mixed = {**only("svhn", Hub)["sources"][0], "subset": None}
    test_sets["mixed"] = whole("svhn", sources=[], source=mixed)

    eurosat = load_dataset("eurosat", ROOT)
    order = [*EUROSAT_OPENAI, *(name for name in eurosat.classnames if name not in EUROSAT_OPENAI)]
    repositories[repository("eurosat", Webdataset)] = shards(
        order, [(eurosat.classnames.index(n), k) for k, n in enumerate(order)]
    )
    repositories[repository("eurosat", Hub)] = {
        "data/test-00000-of-00001.parquet": parquet(
            "image", "label", [(k, k) for k in range(10)], eurosat.source_classnames
        )
    }
    test_sets |= {"eurosat-shards": only("eurosat", Webdataset), "eurosat-hub": only("eurosat", Hub)}

    pets = load_dataset("pets", ROOT).classnames
    # Title Case, as CLIP_benchmark has it; OpenAI's order, cats first
    cats_first = sorted(
        (name.title() for name in pets),
        key=lambda name: (name.lower() not in {p.lower() for p in pets if p[0].isupper()}, name),
    )
    at = {name.lower(): k for k, name in enumerate(pets)}
    repositories[repository("pets", Webdataset)] = shards(
        cats_first, [(at[n.lower()], k) for k, n in enumerate(cats_first)], kind="jpg"
    )
    test_sets["pets"] = whole("pets")

    caltech = load_dataset("caltech101", ROOT).classnames
    upper = ["background", "off-center face", "centered face", "leopard", "motorbike"]  # codespell:ignore
    ascii_order = [*upper, *(name for name in caltech if name not in upper)]
    rows = [(caltech.index(name), k) for k, name in enumerate(ascii_order)]
    repositories[repository("caltech101", Webdataset)] = shards(ascii_order, rows[:50], rows[50:])
    test_sets["caltech101"] = whole("caltech101")

    camelyon = load_dataset("camelyon", ROOT)
    repositories[camelyon.all_sources[1].repo] = shards(camelyon.classnames, [(0, 0), (1, 1)])
    test_sets["camelyon"] = whole("camelyon", test_size=1)  # the first source answers 404
    test_sets["part"] = whole("camelyon", test_size=3)

    imagenet = load_dataset("imagenet", ROOT).classnames
    repositories[repository("imagenet", Webdataset)] = shards(
        imagenet, [(k % 256, k) for k in (0, 657, 744, 999)], kind="jpg"
    )
    test_sets["imagenet"] = whole("imagenet")

    test_sets["nothing"] = whole("cars")
    names = load_dataset("stl10", ROOT).classnames
    repositories[repository("stl10", Hub)] = {
        "data/test-00000-of-00001.parquet": parquet("image", "label", [(0, 0)], ["house", *names[:9]])
    }
    repositories[repository("stl10", Webdataset)] = shards(names, [(4, 4)], kind="png")
    test_sets["stl10"] = whole("stl10")  # the first source has an unknown class
    repositories["owner/broken"] = shards(names, [(0, 0)], [(1, 1)])
    broken = {"kind": "webdataset", "repo": "owner/broken", "revision": "0" * 40}
    test_sets["digest"] = whole("stl10", sources=[], source={**broken, "digests": {"test/1.tar": f"sha256:{'0' * 64}"}})
    repositories["owner/short"] = {**shards(names, [(0, 0)]), "test/nshards.txt": b"2"}
    test_sets["short"] = whole("stl10", sources=[], source={**broken, "repo": "owner/short"})
    repositories["owner/beyond"] = shards(names, [(0, 10)])
    test_sets["beyond"] = whole("stl10", sources=[], source={**broken, "repo": "owner/beyond"})
    return test_sets


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Path:
    """Load all data sets and return the folder with NAME.parquet, or NAME.txt with the error, and log.txt."""
    return load_from_hub(tmp_path_factory.mktemp("loaded"), serve)


@pytest.mark.parametrize("name", ["food-hub", "food-shards"])
def test_food101_labels_are_matched_by_name_although_its_sources_swap_two(loaded, name):
    dataset = load_dataset("food101", ROOT)
    expected = {dataset.classnames[k]: k for k in (3, 16, 17, 100)}
    assert by_class(table(loaded, name), dataset) == expected
    assert expected["cheesecake"] == 16 and expected["cheese plate"] == 17


@pytest.mark.parametrize("name", ["eurosat-hub", "eurosat-shards", "caltech101"])
def test_classes_in_another_order_are_mapped_to_ours(loaded, name):
    dataset = load_dataset(name.split("-")[0], ROOT)
    assert by_class(table(loaded, name), dataset) == {n: k for k, n in enumerate(dataset.classnames)}


def test_pets_in_title_case_with_cats_first_are_mapped_to_ours(loaded):
    dataset = load_dataset("pets", ROOT)
    found = table(loaded, "pets")
    assert len(found) == 37 and found["label"].nunique() == 37
    shown = [
        np.asarray(decode_image(row.bytes, row.image))[4, 4].astype(int) for row in found.itertuples()
    ]  # JPEG: nearly the colour
    assert max(np.abs(pixel - colour(label)).max() for pixel, label in zip(shown, found["label"], strict=True)) < 6
    assert len(dataset.classnames) == 37


def test_cifar100_uses_fine_labels_and_knows_that_the_source_misspells_one(loaded):
    dataset = load_dataset("cifar100", ROOT)
    assert by_class(table(loaded, "cifar100"), dataset) == {"apple": 0, "crab": 26, "worm": 99}


def test_svhn_uses_the_cropped_digits_of_the_test_split(loaded):
    assert by_class(table(loaded, "svhn"), load_dataset("svhn", ROOT)) == {"zero": 0, "nine": 9}
    assert "in cropped_digits, full_numbers, expected one folder. Write `subset`" in (loaded / "mixed.txt").read_text()


def test_equal_class_names_of_imagenet_keep_their_labels(loaded):
    assert sorted(table(loaded, "imagenet")["label"]) == [0, 657, 744, 999]


def test_the_next_source_is_tried_and_the_log_says_why(loaded):
    dataset = load_dataset("camelyon", ROOT)
    found = table(loaded, "camelyon")
    assert set(found["source"]) == {f"{dataset.all_sources[1].repo} at {dataset.all_sources[1].revision[:12]}, test"}
    log = (loaded / "log.txt").read_text()
    assert f"source 1. {dataset.all_sources[0].repo}" in log and f"Next: {dataset.all_sources[1].repo}" in log
    assert "its test set is documented to have 1" in log


def test_a_part_of_the_test_set_is_refused(loaded):
    message = (loaded / "part.txt").read_text()
    assert "SourceError" in message and "found 2 images in" in message and "expected the 3 of its test set" in message


def test_a_source_with_an_unknown_class_is_refused(loaded):
    assert by_class(table(loaded, "stl10"), load_dataset("stl10", ROOT)) == {"deer": 4}
    assert "found a class 'house' in the source" in (loaded / "log.txt").read_text()


def test_if_every_source_fails_each_reason_is_named(loaded):
    message = (loaded / "nothing.txt").read_text()
    assert message.startswith("SourceError: ") and "none of its 2 sources" in message and "kind: folder" in message
    assert all(source.repo in message for source in load_dataset("cars", ROOT).all_sources)


def test_a_wrong_digest_a_missing_shard_and_a_label_beyond_the_names_are_named(loaded):
    assert "owner/broken, test/1.tar: found sha256:" in (loaded / "digest.txt").read_text()
    assert "test/1.tar" in (loaded / "short.txt").read_text()
    assert "found label 10, expected 0..9" in (loaded / "beyond.txt").read_text()


def test_images_and_digests_equal_those_of_the_files(loaded, tmp_path):
    for row in table(loaded, "camelyon").itertuples():
        (tmp_path / "x").write_bytes(row.bytes)
        assert row.digest == sha256_of(tmp_path / "x") and row.image.startswith("s000000")
