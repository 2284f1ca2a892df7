"""Arrays [row, ...] in NumPy's npy format, with a digest of each row after the values.

A job reads some rows of a large file and compares only their digests. NumPy ignores what follows the values.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from diffzero.utils.io import explain_disk_full, open_atomically
from diffzero.utils.provenance import (
    Provenance,
    Settings,
    Sources,
    damaged,
    dump,
    link_sources,
    require_place,
    require_signature,
    sha256,
    sign,
)


def write_rows(
    parts: Iterable[NDArray[Any]],
    count: int,
    path: Path,
    sources: Sources | None = None,
    settings: Settings | None = None,
) -> None:
    """Write the concatenation of some arrays, with one part in memory at a time.

    Parameters
    ----------
    parts
        Arrays [row, ...] of equal dtype and row shape.
    count
        Rows of all parts together, at least one.
    path
        The file.
    sources, settings
        See `link_sources`.

    Raises
    ------
    ValueError
        If the number of rows differs from `count`, or parts differ in dtype or row shape.
    """
    digests: list[str] = []
    header, first = b"", None
    with explain_disk_full(path), open_atomically(path) as file:
        for part in parts:
            if first is None:
                first = part
                header = _header(part, count)
                file.write(header)
            if (part.dtype, part.shape[1:]) != (first.dtype, first.shape[1:]):
                raise ValueError(
                    f"{path}: found {part.dtype} rows {part.shape[1:]}, expected {first.dtype} {first.shape[1:]}."
                )
            for row in np.ascontiguousarray(part):
                data = row.tobytes()
                digests.append(sha256(data))
                file.write(data)
        if len(digests) != count or first is None:
            raise ValueError(f"{path}: found {len(digests)} rows, expected {count}, at least one.")
        file.write(_trailer(header, digests, link_sources(path, sources, settings)))


def _header(part: NDArray[Any], count: int) -> bytes:
    stream = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(part.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(stream, {**description, "shape": (count, *part.shape[1:])})
    return stream.getvalue()


def _trailer(header: bytes, digests: list[str], provenance: Provenance) -> bytes:
    """Return what follows the values: the digests of the rows, and the signature of header and trailer."""
    digest = sha256(header + "".join(digests).encode())
    signed = replace(provenance, digest=digest)
    return sign(header + dump(signed.to_json(rows=digests)).encode())[len(header) :]


class RowFile:
    """An array [row, ...] in a file of `write_rows`, read without loading all of it.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DamagedFileError
        If the header or the digests are not as written, or the file is too short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            try:
                self._array, start = _map(file, path)
            except Exception as error:  # NumPy evaluates the header as Python: a damaged one raises almost anything
                raise damaged(path, f"found no array in NumPy's format ({type(error).__name__})") from error
            file.seek(0)
            header = file.read(start)
            file.seek(start + self._array.nbytes)
            trailer = file.read()
        require_signature(header + trailer, path)
        stated = json.loads(trailer)
        self._digests: list[str] = stated["rows"]
        self.provenance = Provenance.from_json(stated)
        require_place(path, self.provenance)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._array)

    def read(self, rows: slice = slice(None)) -> NDArray[Any]:
        """Return some rows as an array in memory.

        Raises
        ------
        DamagedFileError
            If one of them is not as written; the message names it.
        """
        values = self._array[rows].copy()
        self._compare(values, rows)
        return values

    def mapped(self) -> NDArray[Any]:
        """Return all rows as an array that is read from the file on use, after one comparison of all digests.

        Raises
        ------
        DamagedFileError
            See `read`.
        """
        self._compare(self._array, slice(None))
        return self._array

    def _compare(self, values: NDArray[Any], rows: slice) -> None:
        for index, row in zip(range(len(self))[rows], values, strict=True):
            found, expected = sha256(row.tobytes()), self._digests[index]
            if found != expected:
                raise damaged(self.path, f"row {index}: found SHA-256 {found[:16]}, expected {expected[:16]}")


def _map(file: BinaryIO, path: Path) -> tuple[NDArray[Any], int]:
    """Return the array in a file and the offset of its values."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version}")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    start = file.tell()
    if fortran_order or dtype.hasobject:
        raise ValueError(f"dtype {dtype}")
    array: NDArray[Any] = np.memmap(path, dtype, "r", start, shape)
    return array, start
