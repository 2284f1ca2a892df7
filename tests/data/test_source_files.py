"""Files that images were loaded from are compared with those that are there now, for every kind of source."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_server import DataServer
from diffzero.config import Dataset
from diffzero.data.selection import load_test_images
from diffzero.data.source_files import LocalFiles, SourceRecord, dataset_files, find_changes, make_record, record_images
from diffzero.utils.io import sha256_of, write_json
from hub_server import REVISION
from source_files import parquet, picture, shards

NAMES = ["cat", "dog"]
ROWS = [(0, 0), (1, 1), (2, 0), (3, 1)]


def make_dataset(source: dict) -> Dataset:
    block = {"title": "D", "licence": "none", "classnames": NAMES, "prompt_templates": ["a {}."], "source": source}
    return Dataset.model_validate(block)


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    for number, label in ROWS:
        path = tmp_path / "images" / NAMES[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return make_dataset({"kind": "folder", "path": "images"})


def test_a_class_with_a_hidden_name_is_compared(tmp_path):
    block = {"kind": "folder", "path": "images", "split": ["test"]}
    dataset = make_dataset(block).model_copy(update={"classnames": [".NET", "dog"]})
    for name in ("test/.NET/1.png", "test/dog/1.png", "test/dog/.2.png", ".git/x"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(1))
    (found,) = dataset_files(dataset, tmp_path)
    assert sorted(found.files) == ["test/.NET/1.png", "test/dog/1.png"]
    assert set(load_test_images(dataset, 9, 0, tmp_path)["image"]) == {".NET/1.png", "dog/1.png"}


def test_an_image_that_was_left_out_and_is_repaired_at_its_size_is_noticed(tmp_path, images):
    path = tmp_path / "images" / "cat" / "0.png"
    good = path.read_bytes()
    path.write_bytes(bytes(len(good)))
    write_json({}, tmp_path / "state.json")
    dataset = images.model_copy(update={"unreadable": "skip"})
    before = [files.stamps() for files in dataset_files(dataset, tmp_path)]
    found = load_test_images(dataset, 9, 0, tmp_path)
    record = record_images(before, dataset, found, tmp_path / "state.json", tmp_path)
    (now,) = dataset_files(dataset, tmp_path)
    path.touch()
    assert len(found) == 3 and find_changes(record, now)[0] == []
    path.write_bytes(good)
    assert find_changes(record, now)[0] == ["cat/0.png: content changed"]


def test_a_used_image_that_can_no_longer_be_read_is_a_change(tmp_path, images):
    write_json({}, tmp_path / "state.json")
    before = [files.stamps() for files in dataset_files(images, tmp_path)]
    found = load_test_images(images, 9, 0, tmp_path)
    record = record_images(before, images, found, tmp_path / "state.json", tmp_path)
    path = tmp_path / "images" / "cat" / "0.png"
    path.unlink()
    os.mkfifo(path)
    assert find_changes(record, dataset_files(images, tmp_path)[0])[0] == ["cat/0.png: content changed"]


@pytest.fixture
def table(tmp_path: Path) -> Dataset:
    (tmp_path / "table.parquet").write_bytes(parquet("picture", "label", ROWS, NAMES))
    return make_dataset({"kind": "parquet", "path": "table.parquet", "image": "picture", "label": "label"})


@pytest.fixture
def tables(tmp_path: Path) -> Dataset:
    (tmp_path / "tables").mkdir()
    for number in range(2):
        content = parquet("picture", "label", ROWS[2 * number : 2 * number + 2], NAMES)
        (tmp_path / "tables" / f"{number}.parquet").write_bytes(content)
    return make_dataset({"kind": "parquet", "path": "tables", "image": "picture", "label": "label"})


@pytest.fixture
def hub(fake_hub) -> Dataset:
    files = {"data/test-00000-of-00001.parquet": parquet("picture", "label", ROWS, NAMES)}
    fake_hub.repositories["datasets", "owner/d"] = files
    source = {"kind": "hub", "repo": "owner/d", "revision": REVISION, "split": "test"}
    return make_dataset(source | {"image": "picture", "label": "label"})


@pytest.fixture
def webdataset(fake_hub) -> Dataset:
    fake_hub.repositories["datasets", "owner/d"] = shards(NAMES, ROWS)
    return make_dataset({"kind": "webdataset", "repo": "owner/d", "revision": REVISION})


@pytest.fixture
def archive(fake_hub, tmp_path: Path) -> Dataset:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number, label in ROWS:
            info, data = tarfile.TarInfo(f"all/{NAMES[label]}/{number}.png"), picture(number)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with DataServer() as server:
        server.plain["images.tar"] = stream.getvalue()
        dataset = make_dataset({"kind": "archive", "format": "folders", "files": [{"url": f"{server.url}/images.tar"}]})
        load_test_images(dataset, 4, 0, tmp_path)
    return dataset


KINDS = ["images", "table", "tables", "hub", "webdataset", "archive"]


def select(dataset: Dataset, root: Path, count: int = 4) -> SourceRecord:
    """Load the images of a data set and return the record of its files, written and read."""
    before = [files.stamps() for files in dataset_files(dataset, root)]
    images = load_test_images(dataset, count, 0, root)
    write_json({"listing": None}, root / "state.json")
    record_images(before, dataset, images, root / "state.json", root).write(root / "record.json")
    record = SourceRecord.read(root / "record.json")
    assert record and record.state == {"listing": None}
    return record


def changes(dataset: Dataset, root: Path, record: SourceRecord) -> list[str]:
    return find_changes(record, dataset_files(dataset, root)[0])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_tells_a_changed_file_from_a_touched_one(kind, tmp_path, request):
    dataset = request.getfixturevalue(kind)
    record = select(dataset, tmp_path)
    files = dataset_files(dataset, tmp_path)[0].files
    assert files and changes(dataset, tmp_path, record) == []
    for name, path in files.items():
        path.touch()
        assert changes(dataset, tmp_path, record) == []
        stat, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert changes(dataset, tmp_path, record) == [f"{name}: content changed"]
        path.write_bytes(content + b"0")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert changes(dataset, tmp_path, record) == [f"{name}: content changed"]
        path.write_bytes(content)


@pytest.mark.parametrize("kind", ["images", "tables"])
def test_added_and_removed_files_are_named(kind, tmp_path, request):
    dataset = request.getfixturevalue(kind)
    record = select(dataset, tmp_path, count=1)
    for name, path in dataset_files(dataset, tmp_path)[0].files.items():
        moved = path.with_name(f"new{path.suffix}")
        path.rename(moved)
        new = f"{name.rpartition('/')[0]}/new{path.suffix}".removeprefix("/")
        assert changes(dataset, tmp_path, record) == sorted([f"{name}: removed", f"{new}: added"])
        moved.rename(path)
    assert changes(dataset, tmp_path, record) == []


@pytest.mark.parametrize("kind", ["hub", "webdataset", "archive"])
def test_a_downloaded_file_that_was_removed_from_the_cache_is_no_change(kind, tmp_path, request):
    dataset = request.getfixturevalue(kind)
    record = select(dataset, tmp_path)
    for path in dataset_files(dataset, tmp_path)[0].files.values():
        path.unlink()
    assert changes(dataset, tmp_path, record) == []


def test_an_unused_image_counts_by_name_and_size(images, tmp_path):
    record = select(images, tmp_path, count=1)
    (unused, *_) = (name for name, entry in record.entries.items() if entry[-1] is None)
    path = tmp_path / "images" / unused
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    assert changes(images, tmp_path, record) == []
    path.write_bytes(content + b"0")
    assert changes(images, tmp_path, record) == [f"{unused}: content changed"]


def test_new_times_are_recorded_so_that_contents_are_read_once(images, tmp_path, monkeypatch):
    record = select(images, tmp_path)
    for path in (tmp_path / "images").rglob("*.png"):
        path.touch()
    found, updated = find_changes(record, dataset_files(images, tmp_path)[0])
    assert found == [] and updated != record
    monkeypatch.setattr("diffzero.data.source_files.sha256_of", None)
    assert changes(images, tmp_path, updated) == []


def test_a_file_that_changes_while_images_are_read_is_an_error(images, tmp_path):
    (before,) = (files.stamps() for files in dataset_files(images, tmp_path))
    (tmp_path / "images" / "cat" / "0.png").write_bytes(picture(9))
    with pytest.raises(OSError, match="cat/0.png was changed while images were read"):
        make_record(before, dataset_files(images, tmp_path)[0], {}, {})


def test_names_that_are_not_utf_8_and_dangling_links_are_recorded(tmp_path):
    strange = tmp_path / os.fsdecode(b"ma\xf1ana.png")
    strange.write_bytes(b"1")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    now = LocalFiles("f", {path.name: path for path in tmp_path.iterdir()})
    make_record(now.stamps(), now, {strange.name: sha256_of(strange)}, {}).write(tmp_path / "record.json")
    record = SourceRecord.read(tmp_path / "record.json")
    assert record and find_changes(record, now)[0] == []
    strange.write_bytes(b"2")
    (tmp_path / "nowhere").write_bytes(b"3")
    assert find_changes(record, now)[0] == ["link.png: content changed", f"{strange.name}: content changed"]


Contents = st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=2), max_size=4)


@settings(max_examples=60, deadline=None)
@given(old=Contents, new=Contents)
def test_changes_are_exactly_the_names_whose_contents_differ(old, new, tmp_path_factory):
    root = tmp_path_factory.mktemp("files")

    def write(contents: dict[str, bytes]) -> LocalFiles:
        for path in root.iterdir():
            path.unlink()
        for name, content in contents.items():
            (root / name).write_bytes(content)
        return LocalFiles("f", {name: root / name for name in contents})

    now = write(old)
    record = make_record(now.stamps(), now, {name: sha256_of(path) for name, path in now.files.items()}, {})
    found = find_changes(record, write(new))[0]
    assert [change.split(":")[0] for change in found] == sorted(
        name for name in old.keys() | new if old.get(name) != new.get(name)
    )
