"""Tar shards and Parquet files on the hub whose class names, labels or files are incomplete: each is refused with its place."""

import io
import tarfile
from pathlib import Path

import pytest

from data_server import DataServer
from hub_sources import load_from_hub, table
from source_files import parquet, picture, shards

NAMES = ["ant", "bee", "café"]
ROWS = [(0, 0), (1, 1), (2, 2)]


def without(archive: bytes, member: str) -> bytes:
    """Return a tar archive without one of its members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=stream, mode="w") as new:
        for info in old.getmembers():
            if info.name != member:
                new.addfile(info, old.extractfile(info))
    return stream.getvalue()


def with_hidden(archive: bytes) -> bytes:
    """Return a tar archive with the files that macOS adds to each member, and with its folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=stream, mode="w") as new:
        for info in old.getmembers():
            for name in (f"._{info.name}", f"__MACOSX/{info.name}"):
                extra = tarfile.TarInfo(name)
                extra.size = 4
                new.addfile(extra, io.BytesIO(b"\0\5\x16\7"))
            new.addfile(info, old.extractfile(info))
    return stream.getvalue()


def with_label(text: bytes) -> bytes:
    """Return a shard of one sample with this content in its `.cls`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in (("s0.cls", text), ("s0.png", picture(0))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def serve(server: DataServer) -> dict[str, dict]:
    """Return the data sets to load from the files of the server."""
    whole = shards(NAMES, ROWS)
    files = {
        "whole": whole,
        "hidden": {**whole, "test/0.tar": with_hidden(whole["test/0.tar"])},
        "bom": {**whole, "classnames.txt": "\ufeffant\r\nbee\r\ncafe\u0301\r\n\r\n".encode()},
        "blank": {**whole, "classnames.txt": "ant\n\ncafé\n".encode()},
        "short": {**whole, "classnames.txt": b"ant\nbee\n"},
        "unknown": {**whole, "classnames.txt": b"ant\nlion\ntiger\n"},
        "latin1": {**whole, "classnames.txt": "ant\nbee\ncafé\n".encode("latin-1")},
        "nshards": {**whole, "test/nshards.txt": b"one"},
        "unlabelled": {**whole, "test/0.tar": without(whole["test/0.tar"], "s0000001.cls")},
        **{f"label{k}": {**whole, "test/0.tar": with_label(text)} for k, text in enumerate((b"-1", b"3", b"1_0", b"", b"bee", b"\xff"))},
        "from-one": shards(NAMES, [(0, 1), (1, 2), (2, 3)]),
    }  # fmt: skip
    test_sets = {}
    for name, contents in files.items():
        server.repositories[f"owner/{name}"] = contents
        test_sets[name] = settings(name, kind="webdataset")
    test_sets["replaced"] = settings("unknown", kind="webdataset", label_names=["café", "bee", "ant"])
    names = {"image": "image", "label": "label", "split": "test", "kind": "hub"}
    server.repositories["owner/hard"] = {
        "data/test-00000-of-00001.parquet": parquet("image", "label", ROWS, NAMES),
        "data/test-hard-00000-of-00001.parquet": parquet("image", "label", ROWS[:1], NAMES),
        "data/part-00000-of-00002.parquet": parquet("image", "label", ROWS[:1], NAMES),
        "data/order-00000-of-00002.parquet": parquet("image", "label", ROWS[:1], NAMES),
        "data/order-00001-of-00002.parquet": parquet("image", "label", ROWS[:1], NAMES[::-1]),
    }
    return test_sets | {
        "hub": settings("hard", **names),
        "part": settings("hard", **{**names, "split": "part"}),
        "order": settings("hard", **{**names, "split": "order"}),
    }


def settings(repo: str, **source: object) -> dict:
    block = {"repo": f"owner/{repo}", "revision": "0" * 40, **source}
    values = {"title": "Things", "classnames": NAMES, "prompt_templates": ["a {}."], "licence": "MIT"}
    return {**values, "source": block, "allow_empty": True}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Path:
    return load_from_hub(tmp_path_factory.mktemp("loaded"), serve)


@pytest.mark.parametrize("name", ["whole", "bom", "hub", "hidden"])
def test_complete_sources_are_loaded(loaded, name):
    found = table(loaded, name).sort_values("image")
    assert list(found["label"]) == [0, 1, 2]


def test_label_names_replace_the_file_of_class_names(loaded):
    assert list(table(loaded, "replaced").sort_values("image")["label"]) == [2, 1, 0]


def test_a_label_may_be_the_name_of_its_class(loaded):
    assert list(table(loaded, "label4")["label"]) == [1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blank", "owner/blank, classnames.txt, line 2: found no name, expected one per line"),
        ("short", "owner/short, classnames.txt: found 2 class names in the source, expected 3; not there: café"),
        ("unknown", "owner/unknown, classnames.txt: found a class 'lion' in the source (2 of its 3 names are unknown)"),
        ("latin1", "owner/latin1, classnames.txt: found text that is not UTF-8"),
        ("nshards", "owner/nshards, test/nshards.txt: found 'one', expected the number of shards"),
        (
            "unlabelled",
            "owner/unlabelled: found no label of sample s0000001 (1 of 3 images have none), expected s0000001.cls",
        ),
        ("label0", "owner/label0, 0.tar, s0.cls: Things: found label -1, expected 0..2. A negative label"),
        ("label1", "owner/label1, 0.tar, s0.cls: Things: found label 3, expected 0..2"),
        ("label2", "owner/label2, 0.tar, s0.cls: Things: found label '1_0', expected a class name"),
        ("label3", "owner/label3, 0.tar, s0.cls: Things: found label '', expected a class name"),
        (
            "label5",
            "owner/label5, 0.tar, s0.cls: Things: found label b'\\xff', expected 0..2 or a class name, found bytes",
        ),
        ("from-one", "owner/from-one, 0.tar, s0000002.cls: Things: found label 3, expected 0..2. The labels are 1..3"),
        ("part", "owner/hard: found 1 files part-…-of-…, expected 2"),
        (
            "order",
            "order-00001-of-00002.parquet: found 'café' as the name of label 0 in column 'label', expected 'ant' as in",
        ),
    ],
)
def test_incomplete_sources_are_refused_with_the_place(loaded, name, message):
    assert message in (loaded / f"{name}.txt").read_text()
