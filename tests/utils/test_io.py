"""A file is complete or does not exist, whatever happens while it is written."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from diffzero.utils import io


def test_writes_the_bytes_and_creates_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "data.bin"
    io.write_atomically(path, b"one")
    io.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["data.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "data.bin"
    io.write_atomically(path, b"old")

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fail)
    with pytest.raises(OSError, match="No space left"):
        io.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_results_have_the_permissions_of_a_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    io.write_atomically(tmp_path / "atomic", b"")
    assert stat.S_IMODE((tmp_path / "atomic").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_json_round_trip(tmp_path: Path) -> None:
    io.write_json({"prompt": "é", "memory": None}, tmp_path / "cost.json")
    assert io.read_json(tmp_path / "cost.json") == {"prompt": "é", "memory": None}


def test_values_that_json_cannot_represent_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        io.write_json({"seconds": float("nan")}, tmp_path / "cost.json")
    with pytest.raises(TypeError):
        io.write_json({"path": tmp_path}, tmp_path / "cost.json")
    assert not list(tmp_path.iterdir())


def test_digest_is_sha256(tmp_path: Path) -> None:
    content = json.dumps(list(range(100_000))).encode()
    (tmp_path / "large").write_bytes(content)
    assert io.sha256_of(tmp_path / "large") == hashlib.sha256(content).hexdigest()
    (tmp_path / "empty").write_bytes(b"")
    assert io.sha256_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
