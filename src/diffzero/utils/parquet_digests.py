"""Parquet files whose footer holds a digest per column and one of itself.

A reader of some columns compares only the digests of those, and need not read the others. Checksums of pages, which Parquet defines,
would cover neither the footer nor the headers of the pages.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from diffzero.utils.provenance import (
    KEY,
    UNSIGNED,
    Provenance,
    damaged,
    dump,
    require_place,
    require_signature,
    sha256,
    sign,
)

if TYPE_CHECKING:
    import pandas as pd

MAGIC = b"PAR1"  # the first and the last bytes of the file
TAIL = 8  # bytes after the footer: its length and MAGIC
BLOCK = 1 << 22


def to_parquet(frame: "pd.DataFrame", provenance: Provenance, compression: str = "snappy") -> bytes:
    """Return a data frame as the content of a Parquet file, without its index; the digest of the provenance is filled in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    if frame.attrs:  # pandas reads them from there
        table = table.replace_schema_metadata({**table.schema.metadata, "PANDAS_ATTRS": json.dumps(frame.attrs)})
    draft = dump(provenance.to_json(columns=dict.fromkeys(_leaves(table.schema), UNSIGNED)))
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, table.schema, compression=compression) as writer:
        if len(table):  # a row group without rows has bytes that belong to no column
            writer.write_table(table)
        writer.add_key_value_metadata({KEY: draft})
    data = stream.getvalue()
    columns = {name: sha256(b"".join(data[a:b] for a, b in ranges)) for name, ranges in _ranges(stream).items()}
    signed = replace(provenance, digest=sha256(dump(columns).encode()))
    body, footer = _split(data)
    footer = footer.replace(draft.encode(), dump(signed.to_json(columns=columns)).encode())
    return MAGIC + body + sign(MAGIC + footer)[len(MAGIC) :]


@contextmanager
def open_parquet(path: Path, columns: Sequence[str] | None) -> Iterator[BinaryIO]:
    """Open a Parquet file whose footer and wanted columns (None: all) are as written.

    Raises
    ------
    DamagedFileError
        If they are not.
    """
    with path.open("rb") as file:
        require_signature(_read_footer(file, path), path)
        stated = _stated(file)
        require_place(path, Provenance.from_json(stated))
        expected = stated["columns"]
        for name, ranges in _ranges(file).items():
            if columns is None or any(name == column or name.startswith(f"{column}.") for column in columns):
                found = _digest(file, ranges)
                if found != expected.get(name):
                    raise damaged(path, f"column {name}: found SHA-256 {found[:16]}, expected {expected[name][:16]}")
        file.seek(0)
        yield file


def parquet_provenance(path: Path) -> Provenance:
    """Return the provenance of a Parquet file. Raises DamagedFileError if its footer is not as written."""
    with path.open("rb") as file:
        require_signature(_read_footer(file, path), path)
        return Provenance.from_json(_stated(file))


def _stated(file: IO[bytes]) -> dict[str, Any]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file).metadata or {}
    stated: dict[str, Any] = json.loads(metadata[KEY.encode()])
    return stated


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return what is between MAGIC and the footer, and the footer with the tail."""
    start = len(data) - TAIL - int.from_bytes(data[-TAIL:-4], "little")
    return data[len(MAGIC) : start], data[start:]


def _read_footer(file: IO[bytes], path: Path) -> bytes:
    """Return the first four bytes of a file and its footer with the tail."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    start = size - TAIL - int.from_bytes(tail[:4], "little")
    if not tail.endswith(MAGIC) or start < len(MAGIC):
        raise damaged(path, "found no end of a Parquet file")
    file.seek(0)
    magic = file.read(len(MAGIC))
    file.seek(start)
    return magic + file.read()


def _leaves(schema: Any) -> list[str]:
    """Return the names of the columns as stored: a list is stored as the column of its elements."""
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(schema.empty_table(), stream)
    stored = pq.read_metadata(stream).schema
    return [stored.column(index).path for index in range(len(stored))]


def _ranges(file: Any) -> dict[str, list[tuple[int, int]]]:
    """Return where the parts of each stored column begin and end, one part per row group."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file)
    ranges: dict[str, list[tuple[int, int]]] = {
        metadata.schema.column(index).path: [] for index in range(metadata.num_columns)
    }
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            part = metadata.row_group(group).column(index)
            offsets = (part.dictionary_page_offset, part.data_page_offset)
            start = min(offset for offset in offsets if offset is not None)
            ranges[part.path_in_schema].append((start, start + part.total_compressed_size))
    return ranges


def _digest(file: IO[bytes], ranges: list[tuple[int, int]]) -> str:
    digest = hashlib.sha256()
    for start, end in ranges:
        file.seek(start)
        for block in range(start, end, BLOCK):
            digest.update(file.read(min(BLOCK, end - block)))
    return digest.hexdigest()
