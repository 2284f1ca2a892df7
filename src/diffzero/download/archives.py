"""Read members of tar and zip archives into memory, within limits. Nothing is extracted to disk.

The standard library's `tarfile.data_filter` checks names and links of tar archives, but neither those of zip archives nor sizes.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

COMPRESSIONS: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
EXTENDED_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
MAX_HEADER_BYTES = 1 << 20
DRIVE = re.compile("[A-Za-z]:")  # of Windows, at the beginning of an absolute path
UTF8_FLAG = 0x800  # of a zip member whose name is UTF-8
# Images hardly compress, so an archive may unpack to 100 times its size; a small archive may hold much more than that.
MAX_RATIO, SMALL_BYTES = 100, 1 << 24
READ_ERRORS = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, NotImplementedError, RuntimeError),
)
ADVICE = (
    "Delete the file to have it downloaded again; if you downloaded it by hand, get it from the data set's own page."
)
IsWanted = Callable[[str], bool]


class ArchiveError(ValueError):
    """An archive is corrupt, exceeds the limits, or has a member that is refused."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits on the content of an archive."""

    members: int = 2_000_000
    member_bytes: int = 1 << 30
    """Bytes of one wanted member."""
    total_bytes: int = 1 << 36
    """Bytes of all members, wanted or not, after decompression."""


@dataclass(frozen=True)
class _Member:
    """A member of an archive that is not a folder."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]
    problem: str = ""
    """Reason why its content must not be read: it is a link, sparse or encrypted; "" for an ordinary file."""


@dataclass(frozen=True)
class MemberHead:
    """The first bytes of a member, which show its type."""

    name: str
    data: bytes
    problem: str
    """Reason why the member cannot be read; "" if it can."""


def iter_members(
    archive: Path, is_wanted: IsWanted, limits: ArchiveLimits | None = None
) -> Iterator[tuple[str, bytes]]:
    """Iterate over the wanted members of a tar (plain, gz, bz2, xz) or zip archive.

    Parameters
    ----------
    archive : Path
        The archive.
    is_wanted : callable
        Returns whether to read the member with a name.
    limits : ArchiveLimits, optional
        Limits on the content.

    Yields
    ------
    tuple of str and bytes
        Name and content, in the archive's order.

    Raises
    ------
    ArchiveError
        The archive is corrupt, exceeds the limits (in its headers or in its content), or has a name that leads outside
        (`../x`, `/x`), a wanted name that occurs twice, a link that is wanted or leads outside, a device, a pipe or a sparse file.
    """
    limits = limits or ArchiveLimits()
    seen: set[str] = set()
    with _explain_errors(archive):
        for member in _iter_files(archive, limits):
            if not is_wanted(member.name):
                continue
            if member.problem:
                raise ArchiveError(f"found member {member.name!r}, {member.problem}")
            if member.name in seen:
                raise ArchiveError(f"found member {member.name!r} twice, expected each name once")
            seen.add(member.name)
            yield member.name, _read_member(member.open(), member.name, member.size, limits)


def iter_heads(archive: Path, size: int, limits: ArchiveLimits | None = None) -> Iterator[MemberHead]:
    """Iterate over the first `size` bytes of every member that is not a folder. Links have no bytes; errors are those of `iter_members`."""
    with _explain_errors(archive):
        for member in _iter_files(archive, limits or ArchiveLimits()):
            stream = None if member.problem else member.open()
            yield MemberHead(member.name, stream.read(size) if stream else b"", member.problem)


@contextmanager
def _explain_errors(archive: Path) -> Iterator[None]:
    """Turn errors within the context into an ArchiveError that names the archive."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{archive}: {error}. Nothing was extracted. {ADVICE}") from None
    except READ_ERRORS as error:
        raise ArchiveError(f"{archive}: corrupt or truncated tar or zip archive ({error}). {ADVICE}") from None


def _iter_files(archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    return (_zip_members if zipfile.is_zipfile(archive) else _tar_members)(archive, limits)


def _check_member_name(name: str, is_windows: bool = False) -> str:
    """Return the name without `.` and double slashes; `is_windows`: backslashes separate folders.

    Raises ArchiveError if it leads outside a folder, or has a backslash whose meaning is unknown.
    """
    slashed = name.replace("\\", "/")
    parts = PurePosixPath(slashed).parts
    if slashed.startswith("/") or ".." in parts or "\0" in name or DRIVE.match(name) or not parts:
        raise ArchiveError(f"found member {name!r}, which leads outside the archive, expected a relative path")
    if "\\" in name and not is_windows:
        raise ArchiveError(
            f"found member {name!r} with a backslash, which separates folders on Windows and is part of a name elsewhere, expected '/'"
        )
    return "/".join(parts)


def _check_link(name: str, target: str, is_symbolic: bool) -> str:
    """Return the problem of a wanted link, as no link is followed. Raises ArchiveError if the link leads outside."""
    base = PurePosixPath(name).parent if is_symbolic else PurePosixPath()
    depth = 0
    for part in (*base.parts, *PurePosixPath(target).parts):
        depth += -1 if part == ".." else 1
        if depth < 0 or target.startswith(("/", "\\")) or "\\" in target:
            raise ArchiveError(f"found member {name!r}, a link to {target!r} outside the archive, expected only files")
    return f"a link to {target!r}, expected a file"


def _read_member(stream: IO[bytes] | None, name: str, size: int, limits: ArchiveLimits) -> bytes:
    """Return the content of one member, which must have the size that the archive declares."""
    if size > limits.member_bytes:
        raise ArchiveError(f"found member {name!r} of {size} bytes, expected at most {limits.member_bytes}")
    data = stream.read(size + 1) if stream else b""
    if len(data) != size:
        raise ArchiveError(f"found {len(data)} or more bytes in member {name!r}, expected the {size} that it declares")
    return data


def _max_bytes(archive: Path, limits: ArchiveLimits) -> int:
    """Return the maximum number of bytes of all members together."""
    return min(limits.total_bytes, max(SMALL_BYTES, MAX_RATIO * archive.stat().st_size))


class _LimitedHeader(tarfile.TarInfo):
    """A header whose extension (long names, pax records) is not read into memory if it is too large."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_LimitedHeader":
        info = super().frombuf(buf, encoding, errors)
        if info.type in EXTENDED_HEADERS and info.size > MAX_HEADER_BYTES:
            raise ArchiveError(f"found a header of {info.size} bytes, expected at most {MAX_HEADER_BYTES}")
        return info


class _LimitedStream(io.RawIOBase):
    """A stream that raises ArchiveError after more bytes than allowed."""

    def __init__(self, stream: io.BufferedIOBase, limit: int) -> None:
        self.stream, self.left, self.limit = stream, limit, limit

    def read(self, size: int = -1) -> bytes:
        """Read as a file does."""
        data = self.stream.read(size if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise ArchiveError(f"found more than {self.limit} bytes after decompression, expected fewer")
        return data


def _tar_members(archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    with archive.open("rb") as file:
        start = file.read(6)
    decompress = next((opener for magic, opener in COMPRESSIONS.items() if start.startswith(magic)), None)
    # The stream has padding and headers beside the contents.
    limit = _max_bytes(archive, limits) + 2 * tarfile.RECORDSIZE
    with (
        decompress(archive) if decompress else archive.open("rb") as stream,
        tarfile.open(fileobj=_LimitedStream(stream, limit), mode="r|", tarinfo=_LimitedHeader) as tar,
    ):
        for number, info in enumerate(tar):
            if number >= limits.members:
                raise ArchiveError(f"found more than {limits.members} members, expected fewer")
            if info.isdir() and info.name in ("", "."):
                continue
            name, problem = _check_member_name(info.name), ""
            if info.islnk() or info.issym():
                problem = _check_link(name, info.linkname, info.issym())
            elif not (info.isreg() or info.isdir()):
                raise ArchiveError(f"found member {name!r}, a device or pipe, expected only files and folders")
            elif info.issparse():  # a few bytes may expand to terabytes that no limit counts
                problem = "a sparse file, expected a file with all its bytes"
            if not info.isdir():
                yield _Member(name, info.size, partial(tar.extractfile, info), problem)
            # tarfile keeps every header in this list, which its types do not declare.
            vars(tar)["members"] = []


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member: macOS writes UTF-8 without the flag that says so, which zipfile reads as code page 437."""
    if info.flag_bits & UTF8_FLAG:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _zip_members(archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        infos = packed.infolist()
        if len(infos) > limits.members:
            raise ArchiveError(f"found {len(infos)} members, expected at most {limits.members}")
        total, limit = sum(info.file_size for info in infos), _max_bytes(archive, limits)
        if total > limit:
            raise ArchiveError(f"found {total} bytes declared, expected at most {limit}")
        names = [_zip_name(info) for info in infos]
        # Some Windows programs separate folders by backslashes, then all of them.
        is_windows = any("\\" in name for name in names) and not any("/" in name for name in names)
        for info, stored in zip(infos, names, strict=True):
            name = _check_member_name(stored, is_windows)
            kind, problem = stat.S_IFMT(info.external_attr >> 16), ""
            if kind == stat.S_IFLNK:
                target = _read_member(packed.open(info), name, info.file_size, ArchiveLimits(member_bytes=4096))
                problem = _check_link(name, target.decode(errors="replace"), True)
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"found member {name!r}, a device or pipe, expected only files and folders")
            elif info.flag_bits & 1:
                problem = "encrypted, expected it without a password"
            if not (info.is_dir() or (is_windows and stored.endswith("\\"))):
                yield _Member(name, info.file_size, partial(packed.open, info), problem)
