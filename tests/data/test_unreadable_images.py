"""Unreadable images are named all at once or left out and counted; names that are not UTF-8 can be written everywhere."""

import json
import logging
import os
import re
import sys

import pandas as pd
import pytest

from diffzero.data.decode import ImageError
from diffzero.data.file_listing import printable_name
from diffzero.data.selection import load_test_images, select_images, selection_record
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import read_record, write_parquet, write_record
from image_folders import NAMES, animals, encoded, folder_dataset, make_folder, write

BROKEN = {
    "cat/0.png": encoded(0)[:70], "dog/3.png": encoded(13)[:-40], "owl/1.png": b"", "owl/4.png": b"<html>", "owl/5": encoded(25)[:50],
}  # fmt: skip


@pytest.fixture
def damaged(tmp_path):
    """Return the root of a folder with six images per class, of which five are unreadable."""
    folder = make_folder(tmp_path, per_class=6)
    (folder / "owl" / "5.png").unlink()
    for name, data in BROKEN.items():
        write(folder / name, data)
    return tmp_path


def test_all_unreadable_images_are_named_in_one_message_with_class_and_reason(damaged):
    with pytest.raises(ImageError, match="Animals: found 5 images that cannot be decoded in animals:") as error:
        load_test_images(folder_dataset(), 100, 0, damaged)
    listed = re.findall(r"\n  image (\S+) \(class '(\w+)'\): (.+)", str(error.value))
    assert sorted(name for name, _, _ in listed) == sorted(BROKEN)
    assert all(name.startswith(f"{class_name}/") and reason for name, class_name, reason in listed)
    assert "unreadable: skip" in str(error.value) and "object at 0x" not in str(error.value)


@pytest.mark.parametrize("count", [1, 4, 8, 12, 13, 100])
@pytest.mark.parametrize("stratified", [False, True])
def test_skipped_images_are_replaced_by_the_next_of_the_same_order(damaged, count, stratified):
    dataset = folder_dataset(unreadable="skip")
    chosen = load_test_images(dataset, count, 0, damaged, stratified)
    every = load_test_images(dataset, 1000, 0, damaged, stratified)
    assert len(every) == 18 - len(BROKEN) and not set(every["image"]) & set(BROKEN)
    assert chosen["image"].tolist() == every["image"].tolist()[:count]
    record = selection_record(chosen, 0, stratified)
    assert record["count"] == len(chosen) == sum(c["used"] for c in record["classes"])
    assert sum(c["unreadable"] for c in record["classes"]) == len(record["unreadable"])
    assert {entry["image"] for entry in record["unreadable"]} <= set(BROKEN)
    assert all(c["found"] == 6 for c in record["classes"])


def test_skipped_images_do_not_change_the_order_of_the_others(damaged):
    names = [f"{name}/{k}.png" for name in NAMES for k in range(6) if (name, k) != ("owl", 5)] + ["owl/5"]
    table = pd.DataFrame({"image": names, "label": 0})
    order = [name for name in select_images(table, 100, 7)["image"] if name not in BROKEN]
    found = load_test_images(folder_dataset(unreadable="skip"), 6, 7, damaged)
    assert found["image"].tolist() == order[:6]


def test_left_out_images_are_in_the_log(damaged, caplog):
    load_test_images(folder_dataset(unreadable="skip"), 100, 0, damaged)
    assert "5 unreadable images in animals are left out" in caplog.text
    assert all(f"image {name} (class " in caplog.text for name in BROKEN)


def test_unreadable_rows_of_a_parquet_file_are_treated_alike(tmp_path):
    rows = {"photo": [encoded(k) if k % 3 else encoded(k)[:50] for k in range(9)], "class": [k // 3 for k in range(9)]}
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    source = {"kind": "parquet", "path": "a.parquet", "image": "photo", "label": "class"}
    with pytest.raises(ImageError, match="found 3 images that cannot be decoded"):
        load_test_images(animals(source), 100, 0, tmp_path)
    found = load_test_images(animals(source, unreadable="skip"), 4, 0, tmp_path)
    assert len(found) == 4 and {c["found"] for c in found.attrs["account"]["classes"]} == {3}


def test_a_data_set_without_any_readable_image_is_refused(tmp_path):
    for name in NAMES:
        write(tmp_path / "animals" / name / "0.png", encoded(0)[:60])
    with pytest.raises((ValueError, OSError), match="no images of 3 of its 3 classes|no readable images"):
        load_test_images(folder_dataset(unreadable="skip"), 100, 0, tmp_path)
    with pytest.raises(OSError, match="found no readable images in animals"):
        load_test_images(folder_dataset(unreadable="skip", allow_empty=True), 100, 0, tmp_path)


def test_an_unreadable_image_is_no_reason_to_try_another_source(damaged):
    source = {"kind": "folder", "path": "animals"}
    dataset = animals(source).model_copy(update={"source": None, "sources": [animals(source).source] * 2})
    with pytest.raises(ImageError, match="found 5 images"):
        load_test_images(dataset, 100, 0, damaged)


NOT_UTF8 = [b"\xe9t.png", b"\xff\xfe.png", b"\x80", "ü.png".encode("utf-16-le").replace(b"\0", b"")]


@pytest.mark.parametrize("name", NOT_UTF8)
def test_file_names_that_are_not_utf8_are_loaded_and_written_everywhere(tmp_path, name):
    folder = make_folder(tmp_path)
    write(folder / "cat" / os.fsdecode(name), encoded(77))
    write(folder / "cat" / os.fsdecode(b"deep\xe9") / "9.png", encoded(78))
    chosen = load_test_images(folder_dataset(), 100, 0, tmp_path)
    shown = f"cat/{printable_name(os.fsdecode(name))}"
    images = dict(zip(chosen["image"], chosen["bytes"], strict=True))
    assert images[shown] == encoded(77) and images["cat/deep\\xe9/9.png"] == encoded(78) and len(images) == 8
    write_parquet(chosen, tmp_path / "images.parquet")
    write_record(selection_record(chosen, 0, False), tmp_path / "selection.json")
    assert pd.read_parquet(tmp_path / "images.parquet")["image"].tolist() == chosen["image"].tolist()
    assert {entry["image"] for entry in read_record(tmp_path / "selection.json")["images"]} == set(images)


@pytest.mark.parametrize("name", NOT_UTF8)
def test_an_unreadable_image_with_such_a_name_is_named_in_the_log(tmp_path, name):
    write(make_folder(tmp_path) / "cat" / os.fsdecode(name + b".jpg"), b"broken")
    shown = printable_name(os.fsdecode(name)) + ".jpg"
    with pytest.raises(ImageError, match=re.escape(f"image cat/{shown} (class 'cat')")):
        load_test_images(folder_dataset(), 100, 0, tmp_path)
    handlers, hook = logging.root.handlers[:], sys.excepthook
    logging.root.handlers = []
    try:
        configure_logging(str(tmp_path / "log.txt"))
        record = selection_record(load_test_images(folder_dataset(unreadable="skip"), 100, 0, tmp_path), 0, False)
    finally:
        logging.root.handlers, sys.excepthook = handlers, hook
    assert f"image cat/{shown} (class 'cat')" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert json.loads(json.dumps(record, ensure_ascii=False).encode())["unreadable"][0]["image"] == f"cat/{shown}"


def test_a_folder_with_such_a_name_that_matches_no_class_is_named(tmp_path):
    write(make_folder(tmp_path) / os.fsdecode(b"\xe9t") / "1.png", encoded(1))
    with pytest.raises(ValueError, match=r"no class: '\\\\xe9t'") as error:
        load_test_images(folder_dataset(), 100, 0, tmp_path)
    assert str(error.value).encode()


def test_names_in_utf8_are_kept():
    assert [printable_name(name) for name in ("a.png", "café.png", "猫/1.png", "a\nb")] == [
        "a.png",
        "café.png",
        "猫/1.png",
        "a\nb",
    ]
