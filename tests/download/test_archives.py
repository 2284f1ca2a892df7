"""Reading of archives: wanted members are returned, unexpected contents are refused."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from diffzero.download.archives import MAX_HEADER_BYTES, ArchiveError, ArchiveLimits, iter_heads, iter_members

FILES = {"a/1.png": b"one" * 100, "a/2.png": b"two" * 100, "notes.txt": b"no"}


def is_png(name: str) -> bool:
    return name.endswith(".png")


def everything(name: str) -> bool:
    return True


def member(name: str, data: bytes = b"x", **values) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in values.items():
        setattr(info, key, value)
    return info, data


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_wanted_members_keep_the_order_of_the_archive(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        zipped(path, *FILES.items())
    else:
        tar(path, *(member(name, data) for name, data in FILES.items()), mode=f"w:{kind.partition('.')[2]}")
    assert list(iter_members(path, is_png)) == [(name, FILES[name]) for name in ("a/1.png", "a/2.png")]
    assert set(tmp_path.iterdir()) == {path}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..", "a\\..\\x", "\\x", "C:x", "a/../x"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_that_leads_outside_is_refused_even_if_it_is_not_wanted(tmp_path, kind, name):
    path = tmp_path / "x"
    (tar(path, member("ok.png"), member(name)) if kind == "tar" else zipped(path, ("ok.png", b""), (name, b"x")))
    for wanted in (everything, is_png):
        with pytest.raises(ArchiveError, match="leads outside the archive") as error:
            list(iter_members(path, wanted))
        assert str(path) in str(error.value) and repr(name) in str(error.value)
    assert set(tmp_path.iterdir()) == {path}


@pytest.mark.parametrize("type", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "a/../../../x"])
def test_a_link_that_leads_outside_is_refused(tmp_path, type, target):
    path = tar(tmp_path / "x.tar", member("a/1.png"), member("a/link", b"", type=type, linkname=target))
    with pytest.raises(ArchiveError, match=r"'a/link', a link to .* outside"):
        list(iter_members(path, is_png))


def test_a_link_inside_is_ignored_unless_it_is_wanted(tmp_path):
    link = member("a/link.png", b"", type=tarfile.SYMTYPE, linkname="1.png")
    path = tar(tmp_path / "x.tar", member("a/1.png"), link)
    assert [name for name, _ in iter_members(path, lambda name: name == "a/1.png")] == ["a/1.png"]
    with pytest.raises(ArchiveError, match=r"a link to '1.png', expected a file"):
        list(iter_members(path, is_png))


def zip_special(name: str, mode: int, data: bytes) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (mode | 0o644) << 16
    return info, data


def test_links_and_devices_in_a_zip_are_refused(tmp_path):
    out = zipped(tmp_path / "1", zip_special("a/link", stat.S_IFLNK, b"../../etc/passwd"))
    device = zipped(tmp_path / "2", zip_special("dev", stat.S_IFCHR, b""))
    with pytest.raises(ArchiveError, match="outside the archive"):
        list(iter_members(out, is_png))
    with pytest.raises(ArchiveError, match="a device or pipe"):
        list(iter_members(device, is_png))


@pytest.mark.parametrize("type", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path, type):
    path = tar(tmp_path / "x.tar", member("dev/null", b"", type=type, devmajor=1, devminor=3))
    with pytest.raises(ArchiveError, match="'dev/null', a device or pipe"):
        list(iter_members(path, is_png))


def test_too_many_members_are_refused(tmp_path):
    files = [(f"{k}.txt", b"") for k in range(12)]
    for path in (tar(tmp_path / "1", *(member(*file) for file in files)), zipped(tmp_path / "2", *files)):
        assert list(iter_members(path, is_png, ArchiveLimits(members=12))) == []
        with pytest.raises(ArchiveError, match=r"found (12|more than 11) members"):
            list(iter_members(path, is_png, ArchiveLimits(members=11)))


def test_a_member_that_declares_too_many_bytes_is_refused(tmp_path):
    for path in (
        tar(tmp_path / "1", member("a.png", b"x" * 2000)),
        zipped(tmp_path / "2", ("a.png", os.urandom(2000))),
    ):
        assert len(next(iter_members(path, is_png, ArchiveLimits(member_bytes=2000)))[1]) == 2000
        with pytest.raises(ArchiveError, match="'a.png' of 2000 bytes, expected at most 1999"):
            list(iter_members(path, is_png, ArchiveLimits(member_bytes=1999)))


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_decompression_bomb_is_stopped_in_any_member(tmp_path, kind):
    """The bomb is 40 MB of zeros in 40 kB. It is not wanted and far below the limit of a single member."""
    path, zeros = tmp_path / f"x.{kind}", bytes(40 << 20)
    if kind == "zip":
        zipped(path, ("bomb.txt", zeros), ("a.png", b"x"))
    else:
        tar(path, member("bomb.txt", zeros), member("a.png"), mode="w:gz")
    assert path.stat().st_size < 100_000
    with pytest.raises(ArchiveError, match=r"found (more than )?\d+ bytes"):
        list(iter_members(path, is_png))


def test_a_zip_that_declares_fewer_bytes_than_it_holds_is_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.png", b"z" * 5000))
    data = path.read_bytes()
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match=r"x.zip: "):
        list(iter_members(path, is_png))


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, MAX_HEADER_BYTES + 1
    path = tmp_path / "x.tar"
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    with pytest.raises(ArchiveError, match=f"header of {MAX_HEADER_BYTES + 1} bytes"):
        list(iter_members(path, is_png))


def test_a_repeated_name_is_refused(tmp_path):
    path = tar(tmp_path / "x.tar", member("a.png", b"1"), member("./a.png", b"2"))
    with pytest.raises(ArchiveError, match="'a.png' twice"):
        list(iter_members(path, is_png))


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x1f\x8bnonsense", b"PK\x03\x04", bytes(100)])
def test_a_file_that_is_not_an_archive_is_named(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"x.tar: .*Delete the file"):
        list(iter_members(tmp_path / "x.tar", is_png))


@pytest.mark.parametrize("kind", ["w:gz", "w"])
def test_a_truncated_archive_is_named_after_its_complete_members(tmp_path, kind):
    path = tar(tmp_path / "x.tar", *(member(f"{k}.png", os.urandom(20_000)) for k in range(9)), mode=kind)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ArchiveError, match="x.tar: "):
        list(iter_members(path, is_png))


def test_an_encrypted_member_is_named(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a.png", b"x"))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArchiveError, match="encrypted"):
        list(iter_members(path, is_png))


def test_a_sparse_member_is_refused_though_the_archive_is_small(tmp_path):
    info, data = member("a.png", b"1234")
    info.pax_headers = {"GNU.sparse.map": "0,4", "GNU.sparse.size": str(1 << 29), "GNU.sparse.numblocks": "1"}
    path = tar(tmp_path / "x.tar", (info, data), member("b.png"))
    with pytest.raises(ArchiveError, match="'a.png', a sparse file"):
        list(iter_members(path, is_png))
    assert [name for name, _ in iter_members(path, lambda name: name == "b.png")] == ["b.png"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_iter_heads_returns_the_beginning_of_every_file_and_names_what_it_cannot_read(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "zip":
        zipped(path, *FILES.items(), zip_special("a/link.png", stat.S_IFLNK, b"1.png"))
    else:
        link = member("a/link.png", b"", type=tarfile.SYMTYPE, linkname="1.png")
        tar(path, *(member(name, data) for name, data in FILES.items()), link)
    heads = {head.name: (head.data, head.problem) for head in iter_heads(path, 4)}
    assert heads == {
        "a/1.png": (b"oneo", ""),
        "a/2.png": (b"twot", ""),
        "notes.txt": (b"no", ""),
        "a/link.png": (b"", "a link to '1.png', expected a file"),
    }


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_iter_heads_has_the_limits_of_iter_members(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    zipped(path, ("a.txt", b""), ("../b", b"")) if kind == "zip" else tar(
        path, member("a"), member("../b"), mode="w:gz"
    )
    with pytest.raises(ArchiveError, match="leads outside"):
        list(iter_heads(path, 4))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArchiveError, match="corrupt or truncated"):
        list(iter_heads(path, 4))


def zip_of(path: Path, *names: str) -> Path:
    """Return a zip archive with these names, stored as they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            archive.writestr(info, b"x")
    return path


def test_a_zip_with_backslashes_alone_has_folders(tmp_path):
    path = zip_of(tmp_path / "x.zip", "cat\\", "cat\\1.png", "cat\\deep\\2.png", "3.png")
    assert [name for name, _ in iter_members(path, everything)] == ["cat/1.png", "cat/deep/2.png", "3.png"]
    for outside in ("..\\1.png", "cat\\..\\..\\1.png", "\\1.png", "C:\\1.png"):
        with pytest.raises(ArchiveError, match="leads outside the archive"):
            list(iter_members(zip_of(tmp_path / "y.zip", "cat\\1.png", outside), everything))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_backslash_beside_slashes_is_refused_as_ambiguous(tmp_path, kind):
    names = ("cat/1.png", "cat\\2.png")
    path = zip_of(tmp_path / "x", *names) if kind == "zip" else tar(tmp_path / "x", *map(member, names))
    with pytest.raises(ArchiveError, match=r"'cat\\\\2.png' with a backslash, which separates folders on Windows"):
        list(iter_members(path, everything))


def test_names_of_a_zip_are_utf8_even_without_the_flag(tmp_path):
    path = zip_of(tmp_path / "x.zip", "caf__/1.png", "b/2.png")
    path.write_bytes(path.read_bytes().replace(b"caf__", "café".encode()))
    assert [name for name, _ in iter_members(path, everything)] == ["café/1.png", "b/2.png"]
    path = zip_of(tmp_path / "y.zip", "caf_/1.png")
    path.write_bytes(path.read_bytes().replace(b"caf_", "café".encode("cp437")))
    assert [name for name, _ in iter_members(path, everything)] == ["café/1.png"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_colon_is_part_of_a_name_unless_it_names_a_drive(tmp_path, kind):
    name = "kind: cat/1:2.png"
    path = zip_of(tmp_path / "x", name) if kind == "zip" else tar(tmp_path / "x", member(name))
    assert [found for found, _ in iter_members(path, everything)] == [name]
