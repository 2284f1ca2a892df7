"""Members of tar and zip archives, read in memory and bounded: nothing is ever written where an archive says."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
MAX_HEADER_BYTES = 1 << 20
RATIO, SMALL = 100, 1 << 24  # pictures hardly compress; small archives may hold much more than they weigh
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


class ArchiveError(ValueError):
    """An archive that is broken, or holds what an honest one does not."""


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold."""

    members: int = 2_000_000
    member_bytes: int = 1 << 30
    """Of one wanted member."""
    total_bytes: int = 1 << 36
    """Of all members, wanted or not, after decompression."""


def iter_members(
    archive: Path, wanted: Callable[[str], bool], bounds: ArchiveLimits | None = None
) -> Iterator[tuple[str, bytes]]:
    """Name and content of the members that `wanted` takes, in the archive's order. tar (plain, gz, bz2, xz) and zip.

    Raises ArchiveError, naming archive and member, for a name that leads outside (`../x`, `/x`), for a wanted link or one that
    leads outside, for devices, pipes and sparse files, for a name that comes twice, for more members or bytes than `bounds` allow
    (as declared or as found), and for what is no whole archive.
    """
    bounds = bounds or ArchiveLimits()
    members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    seen: set[str] = set()
    try:
        for name, read in members(archive, wanted, bounds):
            if name in seen:
                raise ArchiveError(f"found member {name!r} twice, expected each name once")
            seen.add(name)
            yield name, read()
    except ArchiveError as error:
        raise ArchiveError(f"{archive}: {error}. Nothing of it was written to disk. {ADVICE}") from None
    except BROKEN as error:
        raise ArchiveError(f"{archive}: no whole tar or zip archive ({error}). {ADVICE}") from None


ADVICE = "Delete the file to have it downloaded again; where you got it by hand, get it from the data set's own page."


def _check_name(name: str) -> str:
    """The name, if it stays inside whatever folder one would unpack to."""
    parts = PurePosixPath(name).parts
    outside = name.startswith(("/", "\\")) or ".." in parts or "\\" in name or "\0" in name or ":" in name.split("/")[0]
    if outside or not parts:
        raise ArchiveError(f"found member {name!r}, which leads outside the archive, expected a relative path")
    return "/".join(parts)


def _check_link(name: str, target: str, is_symbolic: bool, wanted: bool) -> None:
    """Links are never followed: harmless ones are passed over."""
    base = PurePosixPath(name).parent if is_symbolic else PurePosixPath()
    depth = 0
    for part in (*base.parts, *PurePosixPath(target).parts):
        depth += -1 if part == ".." else 1
        if depth < 0 or target.startswith(("/", "\\")) or "\\" in target:
            raise ArchiveError(f"found member {name!r}, a link to {target!r} outside the archive, expected files alone")
    if wanted:
        raise ArchiveError(f"found member {name!r}, a link to {target!r}, expected a file")


def _exactly(stream: io.BufferedIOBase, name: str, declared: int, bounds: ArchiveLimits) -> bytes:
    """The content of one member, not more than it declares."""
    if declared > bounds.member_bytes:
        raise ArchiveError(f"found member {name!r} of {declared} bytes, expected at most {bounds.member_bytes}")
    data = stream.read(declared + 1)
    if len(data) != declared:
        raise ArchiveError(
            f"found {len(data)} or more bytes in member {name!r}, expected the {declared} that it declares"
        )
    return data


def _limit(archive: Path, bounds: ArchiveLimits) -> int:
    """Bytes that all members together may have."""
    return min(bounds.total_bytes, max(SMALL, RATIO * archive.stat().st_size))


class _Header(tarfile.TarInfo):
    """A header whose extension (long names, pax records) is not read into memory whatever its size."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        info = super().frombuf(buf, encoding, errors)
        if info.type in EXTENDED and info.size > MAX_HEADER_BYTES:
            raise ArchiveError(f"found a header of {info.size} bytes, expected at most {MAX_HEADER_BYTES}")
        return info


class _Metered(io.RawIOBase):
    """A stream that ends the unpacking of more bytes than there may be."""

    def __init__(self, stream: io.BufferedIOBase, limit: int) -> None:
        self.stream, self.left, self.limit = stream, limit, limit

    def read(self, size: int = -1) -> bytes:
        """As a file's. Raises ArchiveError where more comes than is allowed."""
        data = self.stream.read(size if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise ArchiveError(f"found more than {self.limit} bytes after decompression, expected fewer")
        return data


Reader = Callable[[], bytes]


def _tar_members(archive: Path, wanted: Callable[[str], bool], bounds: ArchiveLimits) -> Iterator[tuple[str, Reader]]:
    with archive.open("rb") as file:
        start = file.read(6)
    opener = next((make for magic, make in OPENERS.items() if start.startswith(magic)), open)
    # Padding and headers come on top of the contents.
    limit = _limit(archive, bounds) + 2 * tarfile.RECORDSIZE
    with (
        opener(archive, "rb") as stream,
        tarfile.open(fileobj=_Metered(stream, limit), mode="r|", tarinfo=_Header) as tar,
    ):
        for number, info in enumerate(tar):
            if number >= bounds.members:
                raise ArchiveError(f"found more than {bounds.members} members, expected fewer")
            if info.isdir() and info.name in ("", "."):
                continue
            name = _check_name(info.name)
            if info.islnk() or info.issym():
                _check_link(name, info.linkname, info.issym(), wanted(name))
            elif not (info.isreg() or info.isdir()):
                raise ArchiveError(f"found member {name!r}, a device or pipe, expected files and folders alone")
            elif info.issparse() and wanted(name):  # a few bytes of it may stand for terabytes, past all bounds
                raise ArchiveError(f"found member {name!r}, a sparse file, expected a whole one")
            elif info.isreg() and wanted(name):
                yield name, lambda info=info, name=name: _exactly(tar.extractfile(info), name, info.size, bounds)
            tar.members = []  # else a list of all headers grows behind our back


def _zip_members(archive: Path, wanted: Callable[[str], bool], bounds: ArchiveLimits) -> Iterator[tuple[str, Reader]]:
    with zipfile.ZipFile(archive) as packed:
        infos = packed.infolist()
        if len(infos) > bounds.members:
            raise ArchiveError(f"found {len(infos)} members, expected at most {bounds.members}")
        total, limit = sum(info.file_size for info in infos), _limit(archive, bounds)
        if total > limit:
            raise ArchiveError(f"found {total} bytes declared, expected at most {limit}")
        for info in infos:
            name, kind = _check_name(info.orig_filename), stat.S_IFMT(info.external_attr >> 16)
            if kind == stat.S_IFLNK:
                with packed.open(info) as stream:
                    target = _exactly(stream, name, info.file_size, ArchiveLimits(member_bytes=4096)).decode(
                        errors="replace"
                    )
                _check_link(name, target, True, wanted(name))
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"found member {name!r}, a device or pipe, expected files and folders alone")
            elif info.flag_bits & 1 and wanted(name):
                raise ArchiveError(f"found member {name!r} encrypted, expected it in the clear")
            elif not info.is_dir() and wanted(name):
                yield name, lambda info=info, name=name: _zip_content(packed, info, name, bounds)


def _zip_content(packed: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, bounds: ArchiveLimits) -> bytes:
    with packed.open(info) as stream:
        return _exactly(stream, name, info.file_size, bounds)
