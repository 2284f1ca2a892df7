"""An archive of class folders: the rules of folders, at any depth and below any other folders."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_server import DataServer
from diffzero.data.selection import load_test_images, selection_record
from image_folders import NAMES, animals, encoded, folder_dataset, write

PLAIN = {f"{name}/{k}.png": encoded(10 * label + k) for label, name in enumerate(NAMES) for k in range(2)}


@pytest.fixture(scope="module")
def server():
    with DataServer() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFZERO_CACHE", str(tmp_path / "cache"))


def packed(kind: str, members: dict[str, bytes | str]) -> bytes:
    """Return a tar or zip archive; a member whose content is text is a link to that place."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, (0o120644 if isinstance(data, str) else 0o100644) << 16
                archive.writestr(info, data)
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture(params=["zip", "tar.gz"])
def load(request, server, tmp_path):
    """Return a function that loads the members of an archive."""

    def run(members: dict[str, bytes | str], names: list[str] = NAMES, settings: dict | None = None, **keys: object):
        path = f"{tmp_path.name}/{len(server.plain)}/animals.{request.param}"
        server.plain[path] = packed(request.param, members)
        source = {"kind": "archive", "format": "folders", "files": [{"url": f"{server.url}/{path}"}], **keys}
        return load_test_images(animals(source, names, **(settings or {})), 100, 0, tmp_path)

    return run


def named(found) -> dict[str, bytes]:
    return dict(zip(found["image"], found["bytes"], strict=True))


@pytest.mark.parametrize("wrapper", ["", "animals/", "a/b/c/"])
def test_folders_above_the_classes_do_not_matter(load, wrapper):
    found = load({f"{wrapper}{name}": data for name, data in PLAIN.items()})
    assert named(found) == PLAIN
    assert {name.split("/")[0]: label for name, label in zip(found["image"], found["label"], strict=True)} == {
        name: label for label, name in enumerate(NAMES)
    }


def test_an_archive_has_the_images_of_the_folder_that_it_was_made_from(load, tmp_path):
    members = {**PLAIN, "cat/deep/er/9.jpg": encoded(9, "JPEG"), "dog/8": encoded(8, "WEBP"), "owl/notes.txt": b"no"}
    members |= {"cat/.hidden/1.png": encoded(1), "__MACOSX/cat/._0.png": b"x", "README": b"about"}
    for name, data in members.items():
        write(tmp_path / "animals" / name, data)
    archive, folder = load(members), load_test_images(folder_dataset(), 100, 0, tmp_path)
    assert named(archive) == named(folder) and "cat/deep/er/9.jpg" in named(archive)
    accounts = [selection_record(found, 0, False)["classes"] for found in (archive, folder)]
    assert accounts[0] == accounts[1] and accounts[0][0]["skipped"] == {"hidden or derived by another program": 1}


def test_images_one_folder_deeper_belong_to_their_class(load):
    """Only one class has images directly in its folder: the others were lost."""
    members = {name if name.startswith("cat/") else name.replace("/", "/images/"): PLAIN[name] for name in PLAIN}
    assert sorted(named(load(members))) == sorted(members)


@pytest.mark.parametrize("allowed", [False, True])
def test_an_archive_with_one_of_its_classes_is_refused_unless_classes_may_be_empty(load, allowed):
    members = {name: data for name, data in PLAIN.items() if name.startswith("dog/")}
    if allowed:
        assert named(load(members, settings={"allow_empty": True})) == members
    else:
        with pytest.raises(FileNotFoundError, match=r"found no sub-folder 'cat', .*\(2 missing\).*allow_empty: true"):
            load(members)


def test_an_archive_of_other_classes_is_refused_with_their_names(load):
    with pytest.raises(FileNotFoundError, match="the name of no class: 'ds/fish'"):
        load({"ds/fish/1.png": encoded(1)})
    with pytest.raises(FileNotFoundError, match="images in the folder of no class: '1.png'"):
        load({"1.png": encoded(1)})


def test_a_folder_of_images_that_matches_no_class_is_refused_and_can_be_ignored(load):
    members = {f"ds/{name}": data for name, data in PLAIN.items()} | {"ds/fish/1.png": encoded(1)}
    with pytest.raises(ValueError, match=r"""the name of no class: 'ds/fish'.*ignore: \["ds/fish"\]"""):
        load(members)
    assert named(load(members, ignore=["fish"])) == named(load(members, ignore=["ds/fish"])) == PLAIN
    assert named(load({f"ds/{name}": data for name, data in PLAIN.items()} | {"ds/docs/a.txt": b"x"})) == PLAIN


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("others", [["train"], ["training", "val"], ["Train2017"]])
def test_an_archive_with_several_splits_is_refused_until_one_is_named(load, above, others):
    def split(name: str, split: str) -> str:
        return f"ds/{split}/{name}" if above else name.replace("/", f"/{split}/")

    members = {split(name, "test"): data for name, data in PLAIN.items()}
    members |= {split(name, other): encoded(77) for name in PLAIN for other in others}
    with pytest.raises(ValueError, match="found the splits .*Write `split: test`"):
        load(members)
    found = load(members, split="test")
    assert set(found["bytes"]) == set(PLAIN.values()) and len(found) == len(PLAIN)
    every = load(members, split=["test", *others])
    assert len(every) == len(members) and every["image"].is_unique


def test_a_single_split_needs_no_key_and_a_misspelt_one_is_refused(load):
    members = {f"test/{name}": data for name, data in PLAIN.items()}
    assert named(load(members)) == PLAIN
    with pytest.raises(FileNotFoundError, match="no images in a folder 'tset', .*Folders there: 'test'"):
        load(members, split="tset")


def test_a_class_with_the_name_of_a_split(load):
    names = ["train", "bus"]
    members = {f"{split}/{name}/1.png": encoded(k) for k, split in enumerate(["train", "test"]) for name in names}
    with pytest.raises(ValueError, match=r"in the folders of two classes, 'train' and 'bus'.*split: train|splits"):
        load(members, names)
    assert set(load(members, names, split="test")["bytes"]) == {encoded(1)}
    assert set(load(members, names, split="train")["bytes"]) == {encoded(0)}
    plain = {f"{name}/{k}.png": encoded(k) for name in names for k in range(2)}
    assert named(load(plain, names)) == plain


def test_masks_beside_images_are_refused_and_can_be_left_out(load):
    members = {f"{kind}/{name}": data for kind in ("images", "masks") for name, data in PLAIN.items()}
    with pytest.raises(ValueError, match=r"in 2 folders, 'images/cat', 'masks/cat'.*ignore: .*split: images"):
        load(members)
    assert named(load(members, ignore=["masks"])) == named(load(members, split="images")) == PLAIN


def test_an_image_below_the_folders_of_two_classes_is_refused(load):
    with pytest.raises(ValueError, match="'cat/dog/9.png' in the folders of two classes, 'cat' and 'dog'"):
        load({**PLAIN, "cat/dog/9.png": encoded(9)})


def test_superclass_folders_are_no_ambiguity(load):
    members = {f"{'birds' if name.startswith('owl') else 'mammals'}/{name}": data for name, data in PLAIN.items()}
    assert named(load(members)) == PLAIN


@pytest.mark.parametrize("link", ["cat/9.png", "cat/more"])
def test_a_link_in_an_archive_is_an_unreadable_image(load, link):
    members: dict[str, bytes | str] = {**PLAIN, "extra/note.txt": b"x", link: "../extra"}
    with pytest.raises(ValueError, match=rf"image {link} \(class 'cat'\): a link to '../extra'"):
        load(members)
    found = load(members, settings={"unreadable": "skip"})
    assert named(found) == PLAIN and found.attrs["account"]["classes"][0]["unreadable"] == 1


def test_two_images_of_one_name_in_a_tar_are_refused(server, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in [*PLAIN, "cat/0.png"]:
            info = tarfile.TarInfo(name)
            info.size = len(PLAIN[name])
            archive.addfile(info, io.BytesIO(PLAIN[name]))
    server.plain["twice.tar"] = stream.getvalue()
    source = {"kind": "archive", "format": "folders", "files": [{"url": f"{server.url}/twice.tar"}]}
    with pytest.raises(ValueError, match="'cat/0.png' twice"):
        load_test_images(animals(source), 100, 0, Path())


@pytest.mark.parametrize("key", ["split", "ignore"])
def test_keys_for_class_folders_are_refused_for_other_formats(key):
    source = {"kind": "archive", "format": "cifar10", "files": [{"url": "http://localhost/x"}], key: ["test"]}
    with pytest.raises(ValueError, match="'split' and 'ignore' need format 'folders'"):
        animals(source)
