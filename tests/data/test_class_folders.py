"""A folder of classes: every folder and every file is used, counted or refused by name."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from diffzero.data.selection import load_test_images, selection_record
from image_folders import NAMES, encoded, folder_dataset, make_folder, write

ROOT = Path(__file__).parents[2]
HIDDEN_FOLDERS = [".ipynb_checkpoints", ".thumbnails", "@eaDir", ".git", "__MACOSX", ".cache"]
HIDDEN_FILES = ["._0.png", ".DS_Store", "Thumbs.db", ".0.png", "desktop.ini"]


def load(root: Path, count: int = 100, **keys: object):
    return load_test_images(folder_dataset(**keys), count, 0, root)


def account_of(root: Path, **keys: object) -> dict:
    return selection_record(load(root, **keys), 0, False)


def images(root: Path, **keys: object) -> list[str]:
    return sorted(load(root, **keys)["image"])


PLAIN = [f"{name}/{k}.png" for name in NAMES for k in range(2)]


def test_a_plain_folder_is_loaded_and_every_class_is_counted(tmp_path):
    make_folder(tmp_path)
    record = account_of(tmp_path, count=4)
    assert [(c["name"], c["found"], c["unreadable"], c["skipped"]) for c in record["classes"]] == [
        (name, 2, 0, {}) for name in NAMES
    ]
    assert sum(c["used"] for c in record["classes"]) == record["count"] == 4
    assert record["outside_classes"] == {} and record["unreadable"] == []


def test_the_log_has_a_line_per_class(tmp_path, caplog):
    caplog.set_level("INFO")
    write(make_folder(tmp_path) / "cat" / "notes.txt", b"no image")
    load(tmp_path, count=3)
    assert "class 'cat': found 2 images (0 unreadable), used " in caplog.text
    assert "skipped 1 not an image" in caplog.text
    assert all(f"class {name!r}: found 2 images" in caplog.text for name in NAMES)


@pytest.mark.parametrize("content", [{}, {"notes.txt": b"none"}, {".hidden.png": encoded(0)}])
def test_a_class_without_images_is_refused_with_what_its_folder_holds(tmp_path, content):
    folder = make_folder(tmp_path, NAMES[:2])
    (folder / "owl").mkdir()
    for name, data in content.items():
        write(folder / "owl" / name, data)
    with pytest.raises(ValueError, match=r"no images of 1 of its 3 classes in animals: 'owl' \(.*allow_empty: true"):
        load(tmp_path)
    assert images(tmp_path, allow_empty=True) == PLAIN[:4]


def test_a_class_without_a_folder_is_refused_unless_it_may_be_empty(tmp_path):
    make_folder(tmp_path, NAMES[:2])
    with pytest.raises(FileNotFoundError, match=r"found no sub-folder 'owl', .*\(1 missing\).*allow_empty: true"):
        load(tmp_path)
    record = account_of(tmp_path, allow_empty=True)
    assert [c["found"] for c in record["classes"]] == [2, 2, 0]


def test_a_folder_that_does_not_exist_and_a_file_are_called_that(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="elsewhere: not found; expected a folder with one sub-folder per class"
    ):
        load(tmp_path, path="elsewhere")
    write(tmp_path / "a.zip", b"x")
    with pytest.raises(FileNotFoundError, match="a.zip: found a file; expected a folder"):
        load(tmp_path, path="a.zip")


@pytest.mark.parametrize("name", ["unicorn", "Owl", "owls", "\xe9t\xe9, bar", "-1", "test"])
def test_a_folder_that_matches_no_class_is_refused_by_name_and_can_be_ignored(tmp_path, name):
    write(make_folder(tmp_path) / name / "1.png", encoded(99))
    with pytest.raises(ValueError, match="have the name of no class") as error:
        load(tmp_path)
    assert repr(name) in str(error.value) and f'ignore: ["{name}"]' in str(error.value)
    record = account_of(tmp_path, ignore=[name])
    assert [entry["image"] for entry in sorted(record["images"], key=lambda e: e["image"])] == PLAIN
    assert record["outside_classes"] == {"named under `ignore`": 1}


def test_an_unmatched_folder_is_suggested_for_the_class_that_has_none(tmp_path):
    make_folder(tmp_path, ["cat", "dog", "Golden_Retriever"])
    names = ["cat", "dog", "golden retriever"]
    with pytest.raises(FileNotFoundError, match="'golden retriever'.*Golden_Retriever") as error:
        load(tmp_path, names=names)
    assert "source_classnames" in str(error.value)
    found = load(tmp_path, names=names, source_classnames=["cat", "dog", "Golden_Retriever"])
    assert found["label"].value_counts().to_dict() == {0: 2, 1: 2, 2: 2}


def test_a_folder_in_another_unicode_form_matches(tmp_path):
    names = ["cat", unicodedata.normalize("NFC", "café")]
    make_folder(tmp_path, ["cat", unicodedata.normalize("NFD", "café")])
    assert load(tmp_path, names=names)["label"].value_counts().to_dict() == {0: 2, 1: 2}


def test_images_beside_the_folders_of_classes_are_refused_and_other_files_counted(tmp_path):
    folder = make_folder(tmp_path)
    write(folder / "README.md", b"about")
    write(folder / "labels.csv", b"a,b")
    assert account_of(tmp_path)["outside_classes"] == {"in the folder of no class": 2}
    write(folder / "contact sheet", encoded(1, "JPEG"))
    with pytest.raises(ValueError, match="images in the folder of no class: 'contact sheet'.*ignore"):
        load(tmp_path)
    assert images(tmp_path, ignore=["contact sheet"]) == PLAIN


def test_a_misspelt_entry_of_ignore_is_refused(tmp_path):
    make_folder(tmp_path)
    with pytest.raises(ValueError, match="found nothing called 'unicron', expected the entries of `ignore`"):
        load(tmp_path, ignore=["unicron"])


@pytest.mark.parametrize("entry", ["rejected", "cat/rejected", "animals/cat/rejected"][:2])
def test_ignore_leaves_out_a_folder_at_any_depth(tmp_path, entry):
    write(make_folder(tmp_path) / "cat" / "rejected" / "1.png", encoded(50))
    assert images(tmp_path, ignore=[entry]) == PLAIN
    assert "cat/rejected/1.png" in images(tmp_path)


def test_an_ignored_class_is_empty_not_forgotten(tmp_path):
    make_folder(tmp_path)
    with pytest.raises((ValueError, OSError), match="'owl'"):
        load(tmp_path, ignore=["owl"])


@pytest.mark.parametrize("where", ["", "cat/", "cat/deep/er/"])
@pytest.mark.parametrize("name", [*(f"{name}/1.png" for name in HIDDEN_FOLDERS), *HIDDEN_FILES])
def test_hidden_and_derived_files_are_never_images(tmp_path, where, name):
    folder = make_folder(tmp_path)
    write(folder / where / name, encoded(70))
    record = account_of(tmp_path)
    assert sorted(entry["image"] for entry in record["images"]) == PLAIN
    skipped = record["classes"][0]["skipped"] if where else record["outside_classes"]
    assert skipped == {"hidden or derived by another program": 1}


def test_images_at_any_depth_below_a_class_belong_to_it(tmp_path):
    write(make_folder(tmp_path) / "cat" / "a" / "b" / "3.png", encoded(3))
    assert images(tmp_path) == sorted([*PLAIN, "cat/a/b/3.png"])


def test_linked_folders_are_read_once(tmp_path):
    folder = make_folder(tmp_path)
    write(tmp_path / "elsewhere" / "3.png", encoded(3))
    (folder / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "cat" / "again").symlink_to(tmp_path / "elsewhere")
    assert images(tmp_path) == sorted([*PLAIN, "cat/more/3.png"]) or images(tmp_path) == sorted(
        [*PLAIN, "cat/again/3.png"]
    )
    assert account_of(tmp_path)["classes"][0]["skipped"] == {"a link to a folder that is read already": 1}


@pytest.mark.parametrize("target", [".", "..", "../..", "deep", "/"])
def test_a_link_that_leads_back_is_counted_and_not_followed(tmp_path, target):
    folder = make_folder(tmp_path)
    write(folder / "cat" / "deep" / "3.png", encoded(3))
    (folder / "cat" / "back").symlink_to(target)
    assert images(tmp_path) == sorted([*PLAIN, "cat/deep/3.png"])
    assert account_of(tmp_path)["classes"][0]["skipped"] == {"a link to a folder that is read already": 1}


def test_images_keep_the_names_of_their_own_folder_beside_a_link_to_it(tmp_path):
    folder = make_folder(tmp_path)
    write(folder / "cat" / "original" / "3.png", encoded(3))
    (folder / "cat" / "link").symlink_to("original")
    assert images(tmp_path) == sorted([*PLAIN, "cat/original/3.png"])


def test_a_link_to_the_folder_of_another_class_is_refused(tmp_path):
    folder = make_folder(tmp_path)
    (folder / "cat" / "more").symlink_to("../dog")
    with pytest.raises(ValueError, match="'cat/more' of class 'cat', a link to a folder of class 'dog'"):
        load(tmp_path)


def test_a_linked_class_folder_is_read(tmp_path):
    folder = make_folder(tmp_path)
    (folder / "owl").rename(tmp_path / "owls")
    (folder / "owl").symlink_to(tmp_path / "owls")
    assert images(tmp_path) == PLAIN


@pytest.mark.parametrize(
    ("locked", "message"),
    [
        ("animals/owl", "PermissionError: animals: 'owl', of class 'owl': the folder cannot be read"),
        ("animals/owl/deep", "PermissionError: animals: 'owl/deep', of class 'owl': the folder cannot be read"),
        ("animals/owl/0.png", "image owl/0.png (class 'owl'): Permission denied"),
        ("animals", "PermissionError: animals: the folder cannot be read"),
    ],
)
def test_a_folder_or_an_image_that_may_not_be_read_is_refused(tmp_path, locked, message):
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can become another user, who may not read the folder")
    write(make_folder(tmp_path) / "owl" / "deep" / "3.png", encoded(3))
    tmp_path.chmod(0o755)
    (tmp_path / locked).chmod(0o700)
    code = (
        "import os, sys; from pathlib import Path; from image_folders import folder_dataset\n"
        "from diffzero.data.selection import load_test_images\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "load_test_images(folder_dataset(), 100, 0, Path())"
    )
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests' / 'support'}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=tmp_path)
    (tmp_path / locked).chmod(0o755)
    assert message in done.stderr


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("other", ["train", "validation", "train_set"])
def test_several_splits_are_refused_until_one_is_named(tmp_path, above, other):
    for number, split in enumerate(["test", other]):
        for name in NAMES:
            path = Path(split, name) if above else Path(name, split)
            write(tmp_path / "animals" / path / f"{number}.png", encoded(number))
    with pytest.raises((ValueError, OSError), match=r"write `split: test`|Write `split: test`") as error:
        load(tmp_path)
    assert f"'{other}'" in str(error.value)
    found = load(tmp_path, split="test")
    assert len(found) == 3 and set(found["bytes"]) == {encoded(0)}
    assert sorted(found["image"]) == [f"{name}/0.png" if above else f"{name}/test/0.png" for name in NAMES]
    assert len(load(tmp_path, split=["test", other])) == 6
    with pytest.raises((ValueError, OSError), match="'tset'|in 'test', .*: write `split: test`"):
        load(tmp_path, split="tset")


def test_one_split_and_sub_folders_with_other_names_are_no_splits(tmp_path):
    for name in NAMES:
        for k, split in enumerate(["test1", "test2", "trainer"]):
            write(tmp_path / "animals" / name / split / "1.png", encoded(k))
    assert len(load(tmp_path)) == 9


def test_classes_one_folder_deeper_are_refused_with_the_path_to_write(tmp_path):
    make_folder(tmp_path / "data" / "inner")
    with pytest.raises(FileNotFoundError, match=r"are in 'animals': set `path: .*data/inner/animals`"):
        load(tmp_path, path="data/inner")
    assert images(tmp_path, path="data/inner/animals") == PLAIN


def test_an_image_below_the_folders_of_two_classes_is_refused(tmp_path):
    write(make_folder(tmp_path) / "cat" / "deep" / "dog" / "0.png", encoded(99))
    with pytest.raises(ValueError, match="'cat/deep/dog/0.png' in the folders of two classes, 'cat' and 'dog'"):
        load(tmp_path)
    assert images(tmp_path, ignore=["deep/dog"]) == PLAIN


def test_a_link_to_an_image_of_another_class_is_refused(tmp_path):
    folder = make_folder(tmp_path)
    write(folder / "dog" / "README.txt", b"text")
    (folder / "cat" / "README.txt").symlink_to("../dog/README.txt")
    assert images(tmp_path) == PLAIN
    (folder / "cat" / "9.png").symlink_to("../dog/0.png")
    with pytest.raises(ValueError, match="'cat/9.png' of class 'cat', a link to an image of class 'dog'"):
        load(tmp_path)
    assert images(tmp_path, ignore=["9.png"]) == PLAIN
