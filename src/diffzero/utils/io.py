"""Files that are either whole or not there: a killed job never leaves half a result under its final name."""

import errno
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class DiskFullError(OSError):
    """There is no room for a file, on its disk or in its owner's quota."""

    def __str__(self) -> str:
        return self.strerror


@contextmanager
def explain_disk_full(path: Path, size: int | None = None) -> Iterator[None]:
    """A context whose want of space at `path` becomes DiskFullError, which names the file and says what to do.

    `size` is what it needs in bytes, if that is known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        disk = next(folder for folder in path.absolute().parents if folder.exists())
        raise DiskFullError(
            error.errno,
            f"{path}: {os.strerror(error.errno)}: found {shutil.disk_usage(disk).free:,} bytes free (a quota may allow less), expected "
            f"{'room for the rest' if size is None else f'{size:,}'}. Make room there, or set `results` and `store` to folders on "
            "another disk, and type the same command again: all that is finished is kept.",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Nothing; `path` then holds exactly `data`, or on any failure what it held before.

    Missing parent folders are made. Two processes may write the same path at once: the later one to finish stays.
    Raises DiskFullError, else OSError as the file system does; the temporary file is removed then.
    """
    with explain_disk_full(path, len(data)), _whole(path) as file:
        file.write(data)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the context ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Same folder: a rename is atomic only within one file system. Not tempfile: its files are private to the user,
    # which locks the rest of a group out of results on a shared disk.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself is lost in a power cut unless the folder is flushed too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Nothing; `path` holds the frame as Parquet, without its index."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomically(path, buffer.getvalue())


def write_json(value: Any, path: Path) -> None:
    """Nothing; `path` holds the value as indented UTF-8 JSON.

    Raises ValueError for NaN and infinity, which JSON does not have (write None), and TypeError for other types.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_npy_rows(parts: Iterable[NDArray], count: int, path: Path) -> None:
    """Nothing; `path` holds what np.save would write of the joined `parts` [some, ...], `count` rows in all; one part is in memory.

    Raises ValueError for another number of rows, or parts of different shape or dtype.
    """
    rows, first = 0, None
    with explain_disk_full(path), _whole(path) as file:
        for part in parts:
            if first is None:
                first = part
                header = {"descr": np.lib.format.dtype_to_descr(part.dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(file, {**header, "shape": (count, *part.shape[1:])})
            if (part.dtype, part.shape[1:]) != (first.dtype, first.shape[1:]):
                raise ValueError(
                    f"{path}: found {part.dtype} rows {part.shape[1:]}, expected {first.dtype} {first.shape[1:]}."
                )
            file.write(np.ascontiguousarray(part).data)
            rows += len(part)
        if rows != count or first is None:
            raise ValueError(f"{path}: found {rows} rows, expected {count}, at least one.")
