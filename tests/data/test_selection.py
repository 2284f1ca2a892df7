"""Selection of images, prompts and items, and errors of wrong sources."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffzero.config import Dataset
from diffzero.data.decode import ImageError
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.selection import load_test_images, select_images, selection_record
from diffzero.data.transforms import crop_images, encode_png

NAMES = ["cat", "dog", "owl"]
FIRST = ["test-007084", "test-002775", "test-003221", "test-004242"]
WHOLE = "83b16047bf6fc322ca3fc755b6293795666d761b86a0ad0f7566ca30aee45d37"


def picture(seed: int) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8))


def dataset(**source) -> Dataset:
    values = {"title": "Animals", "classnames": NAMES, "prompt_templates": ["a photo of a {}."], "licence": "MIT"}
    return Dataset.model_validate({**values, "source": source})


@pytest.fixture
def image_root(tmp_path):
    """Return a folder with three images in each of three class folders."""
    for k in range(9):
        path = tmp_path / "animals" / NAMES[k % 3] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(k))
    (tmp_path / "animals" / "cat" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture
def parquet(tmp_path):
    rows = {"photo": [picture(k) for k in range(9)], "class": [k % 3 for k in range(9)]}
    pd.DataFrame(rows).to_parquet(tmp_path / "animals.parquet")
    return tmp_path


PARQUET = {"kind": "parquet", "path": "animals.parquet", "image": "photo", "label": "class"}
FOLDER = {"kind": "folder", "path": "animals"}


def test_the_selection_depends_on_names_and_seed_but_not_on_the_order_of_the_table():
    table = pd.DataFrame({"image": [f"image {k}" for k in range(50)], "label": range(50)})
    chosen = select_images(table, 12, 3)
    for order in range(3):
        pd.testing.assert_frame_equal(select_images(table.sample(frac=1, random_state=order), 12, 3), chosen)
    assert list(select_images(table, 12, 4)["image"]) != list(chosen["image"])
    assert list(chosen["label"]) != sorted(chosen["label"])


def test_a_smaller_selection_is_the_beginning_of_a_larger_one():
    table = pd.DataFrame({"image": [f"image {k}" for k in range(50)]})
    whole = select_images(table, 1000, 0)["image"].tolist()
    assert sorted(whole) == sorted(table["image"])
    assert all(select_images(table, count, 0)["image"].tolist() == whole[:count] for count in (1, 7, 49))


def test_the_selection_is_the_same_on_every_machine():
    """The selection is stored, because it depends on a hash of seed and name and not on a random generator."""
    table = pd.DataFrame({"image": [f"test-{k:06d}" for k in range(10000)], "label": 0})
    chosen = select_images(table, 4096, 0)["image"]
    assert list(chosen[:4]) == FIRST and len(chosen) == 4096
    assert hashlib.sha256("\n".join(chosen).encode()).hexdigest() == WHOLE


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 80))
def test_a_stratified_selection_keeps_the_shares_of_the_classes_at_every_length(labels, count):
    table = pd.DataFrame({"image": [f"image {k}" for k in range(len(labels))], "label": labels})
    chosen = select_images(table, count, 0, stratified=True)
    pd.testing.assert_frame_equal(
        select_images(table.sample(frac=1, random_state=1), count, 0, stratified=True), chosen
    )
    whole = select_images(table, len(labels), 0, stratified=True)
    assert whole["image"].tolist()[: len(chosen)] == chosen["image"].tolist()
    assert sorted(whole["image"]) == sorted(table["image"])
    share = len(chosen) / len(labels)
    for label, size in table["label"].value_counts().items():
        # One image of rounding, and one more if several classes are due at the same position.
        assert abs((chosen["label"] == label).sum() - share * size) <= 1 + table["label"].nunique() / 2


def test_the_record_of_a_selection_has_names_labels_and_digests(image_root):
    chosen = load_test_images(dataset(**FOLDER), 4, 0, image_root)
    record = selection_record(chosen, 0, False)
    assert record["source"] == "animals" and (record["seed"], record["stratified"], record["count"]) == (0, False, 4)
    for entry in record["images"]:
        data = (image_root / "animals" / entry["image"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest() and NAMES[entry["label"]] in entry["image"]
    assert [entry["image"] for entry in record["images"]] == list(chosen["image"])


@pytest.mark.parametrize(("source", "where"), [(FOLDER, "image_root"), (PARQUET, "parquet")])
def test_folder_and_parquet_return_images_with_labels_and_digests(source, where, request):
    table = load_test_images(dataset(**source), 100, 0, request.getfixturevalue(where))
    assert len(table) == 9 and table["image"].is_unique
    number = {picture(k): k for k in range(9)}
    for row in table.itertuples():
        assert row.label == number[row.bytes] % 3
        assert row.digest == hashlib.sha256(row.bytes).hexdigest()


def test_a_missing_folder_sub_folder_file_or_column_is_named(image_root, parquet):
    with pytest.raises(FileNotFoundError, match="elsewhere: not found"):
        load_test_images(dataset(kind="folder", path="elsewhere"), 5, 0, image_root)
    with pytest.raises(FileNotFoundError, match="elsewhere.parquet: not found"):
        load_test_images(dataset(**{**PARQUET, "path": "elsewhere.parquet"}), 5, 0, parquet)
    for key in ("image", "label"):
        with pytest.raises(ValueError, match=r"found columns \['photo', 'class'\], expected 'nothing'"):
            load_test_images(dataset(**{**PARQUET, key: "nothing"}), 5, 0, parquet)


def test_a_folder_of_parquet_files_with_labels_in_words(tmp_path):
    for part in range(2):
        rows = {"photo": [picture(3 * part + k) for k in range(3)], "class": NAMES}
        (tmp_path / "many").mkdir(exist_ok=True)
        pd.DataFrame(rows).to_parquet(tmp_path / "many" / f"part-{part}.parquet")
    found = load_test_images(dataset(**{**PARQUET, "path": "many"}), 100, 0, tmp_path)
    assert sorted(found["image"]) == [f"part-{part}-{k:07d}" for part in range(2) for k in range(3)]
    assert dict(zip(found["bytes"], found["label"], strict=True)) == {picture(k): k % 3 for k in range(6)}


def test_a_source_without_any_image_is_refused(tmp_path):
    pd.DataFrame({"photo": [], "class": []}).to_parquet(tmp_path / "animals.parquet")
    source = {**PARQUET, "path": "animals.parquet"}
    with pytest.raises(OSError, match="found no images in animals.parquet, expected the test set"):
        load_test_images(dataset(**source), 100, 0, tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    for name in NAMES:
        (tmp_path / "animals" / name).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="found no images"):
        load_test_images(dataset(**FOLDER), 5, 0, tmp_path)


def test_an_image_that_cannot_be_decoded_is_named(image_root):
    (image_root / "animals" / "owl" / "2.png").write_bytes(picture(2)[:60])
    with pytest.raises(ImageError, match="owl/2.png"):
        load_test_images(dataset(**FOLDER), 100, 0, image_root)


def test_a_parquet_file_may_hold_structs_and_class_names(tmp_path):
    rows = {"photo": [{"bytes": picture(k), "path": f"{k}.png"} for k in range(3)], "class": ["owl", "cat", "dog"]}
    pd.DataFrame(rows).to_parquet(tmp_path / "animals.parquet")
    table = load_test_images(dataset(**PARQUET), 5, 0, tmp_path).set_index("image")
    assert [table.loc[f"row-{k:07d}", "label"] for k in range(3)] == [2, 0, 1]
    assert [table.loc[f"row-{k:07d}", "bytes"] for k in range(3)] == [picture(k) for k in range(3)]


@pytest.mark.parametrize("labels", [["owl", "eagle"], [0, None], [0, 1.5]])
def test_a_label_outside_the_classes_is_named(tmp_path, labels):
    pd.DataFrame({"photo": [picture(0), picture(1)], "class": labels}).to_parquet(tmp_path / "animals.parquet")
    with pytest.raises(ValueError, match=r"Animals: found label ('eagle'|nan|None|1\.5), expected"):
        load_test_images(dataset(**PARQUET), 5, 0, tmp_path)


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_without_a_class_name_is_named(tmp_path, label):
    frame = pd.DataFrame({"photo": [picture(0), picture(1)], "class": [0, label]})
    frame.to_parquet(tmp_path / "animals.parquet")
    with pytest.raises(ValueError, match=rf"found label {label}, expected 0\.\.2"):
        load_test_images(dataset(**PARQUET), 5, 0, tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path):
    frame = pd.DataFrame({"image": ["same", "same"], "photo": [picture(0), picture(1)], "class": [0, 1]})
    frame.to_parquet(tmp_path / "animals.parquet")
    with pytest.raises(ValueError, match="'same' twice"):
        load_test_images(dataset(**PARQUET), 5, 0, tmp_path)


def test_classes_of_one_name_share_a_prompt_and_are_listed():
    prompts = class_prompts("a {}.", ["owl", "missile", "cat", "missile", "owl", "missile"])
    assert prompts["prompts"] == ["a owl.", "a missile.", "a cat."]
    assert prompts["class_prompt"] == [0, 1, 2, 1, 0, 1]
    assert prompts["duplicates"] == [[0, 4], [1, 3, 5]]
    items = classification_items(pd.DataFrame({"image": ["i", "j"], "label": [4, 2]}), prompts)
    assert list(items["candidates"]) == [[0, 1, 2]] * 2 and list(items["classes"]) == [[0, 1, 2]] * 2
    assert list(items["label"]) == [4, 2]


def test_fewer_than_two_different_prompts_are_refused():
    with pytest.raises(ValueError, match="at least two different"):
        class_prompts("a {}.", ["owl", "owl"])


def test_crops_are_in_the_order_of_the_table():
    table = pd.DataFrame(
        {"image": list("abc"), "bytes": [encode_png(np.full((9, 12), 60 * k, np.uint8)) for k in range(3)]}
    )
    found = crop_images(table, 6)
    assert found.shape == (3, 6, 6, 3) and [int(found[k].mean()) for k in range(3)] == [0, 60, 120]
