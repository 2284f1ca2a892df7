"""Atomic file writes: a killed job never leaves a partial result under its final name."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


class DiskFullError(OSError):
    """The disk or the owner's quota has no space for a file."""

    def __str__(self) -> str:
        """Return the message without the error number."""
        return self.strerror or ""


@contextmanager
def explain_disk_full(path: Path, size: int | None = None) -> Iterator[None]:
    """Turn a full disk or quota within the context into a DiskFullError that names the file and the remedy.

    Parameters
    ----------
    path
        The file that is written.
    size
        Its size in bytes, if known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        disk = next(parent for parent in path.absolute().parents if parent.exists())
        raise DiskFullError(
            error.errno,
            f"{path}: {os.strerror(error.errno)}: found {shutil.disk_usage(disk).free:,} bytes free (a quota may allow less), expected "
            f"{'space for the rest' if size is None else f'{size:,}'}. Free some space there, or set `results` and `store` to folders on "
            "another disk, and re-run the same command: finished results are kept.",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the content of a file with `data`; on failure, the file keeps its old content.

    Missing parent folders are created. If two processes write the same path at once, the one that finishes last wins.

    Raises
    ------
    DiskFullError
        If there is no space.
    OSError
        As raised by the file system.
    """
    with explain_disk_full(path, len(data)), open_atomically(path) as file:
        file.write(data)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the context succeeds and is removed when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only within one file system. Not with tempfile: its files are private to the
    # user, and the other members of a group could not read the results on a shared disk.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_dir(path.parent)


def _sync_dir(parent_dir: Path) -> None:
    # Without this, a power failure can undo the rename.
    descriptor = os.open(parent_dir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(value: Any, path: Path) -> None:
    """Write a value as indented UTF-8 JSON.

    Raises
    ------
    ValueError
        For NaN and infinity, which JSON cannot represent (write None instead).
    TypeError
        For types that JSON cannot represent.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
