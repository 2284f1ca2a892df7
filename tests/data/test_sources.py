"""The shipped data sets from the hub: small files in the original formats from a local server."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffzero.config import Dataset, load_dataset
from diffzero.data.decode import decode_image
from diffzero.utils.io import sha256_of
from hub_sources import load_from_hub, table
from shipped_repositories import ROOT, serve_all
from source_files import colour


def by_class(found: pd.DataFrame, dataset: Dataset) -> dict[str, int]:
    """Return the number of the image that each class name has."""
    known = {colour(number): number for number in range(256)}
    rows = [(row, np.asarray(decode_image(row.bytes, row.image))[4, 4].tolist()) for row in found.itertuples()]
    return {dataset.classnames[row.label]: known[tuple(shown)] for row, shown in rows}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Path:
    """Load all data sets and return the folder with NAME.parquet, or NAME.txt with the error, and log.txt."""
    return load_from_hub(tmp_path_factory.mktemp("loaded"), serve_all)


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
