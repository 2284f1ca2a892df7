"""Files of a folder: at every depth and through links, without hidden and derived ones."""

import os
from pathlib import Path

import pytest

from diffzero.data.file_listing import is_hidden, list_visible_files


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_hidden_and_derived_files_are_left_out_at_every_depth(tmp_path):
    for name in (".git/a.png", "cat/.ipynb_checkpoints/a.png", "cat/@eaDir/a.png", "__MACOSX/a.png", "cat/._a.png"):
        write(tmp_path / name)
    wanted = {name: write(tmp_path / name) for name in ("cat/1.png", "cat/deep/er/2.png", "dog/without-suffix")}
    assert list_visible_files(tmp_path) == wanted


def test_linked_folders_are_followed_once(tmp_path):
    target = write(tmp_path / "elsewhere" / "1.png")
    image_dir = tmp_path / "images"
    image_dir.mkdir()
    (image_dir / "cat").symlink_to(target.parent)
    (target.parent / "above").symlink_to(image_dir)
    assert list_visible_files(image_dir) == {"cat/1.png": image_dir / "cat" / "1.png"}


@pytest.mark.parametrize(
    "name",
    [".git", ".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "._a.png", ".DS_Store", ".a.png", "Thumbs.db"],
)
def test_hidden_and_derived_names_are_recognised_by_one_rule(name):
    assert is_hidden(name)


@pytest.mark.parametrize("name", ["a.png", "cat", "eaDir", "MACOSX", "a.b", "_", "thumbs"])
def test_other_names_are_visible(name):
    assert not is_hidden(name)


def test_a_folder_that_does_not_exist_has_no_files(tmp_path):
    assert list_visible_files(tmp_path / "no-such-folder") == {}


def test_links_to_themselves_and_names_that_are_not_utf8_are_listed(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    write(tmp_path / os.fsdecode(b"\xe9t.png"))
    assert list(list_visible_files(tmp_path)) == ["\\xe9t.png", "loop"]
