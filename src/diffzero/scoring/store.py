"""The score store: raw squared errors in checksummed chunks, addressed by content, outside everything that Snakemake deletes.

    <store>/<context>/identity.json      what all scores of this context share (weights, data set, dtype, seed, versions)
    <store>/<context>/<sha256>.parquet   a chunk: columns image, prompt (content keys), draw, score, seconds

A chunk's name is the digest of its bytes, so writing one twice is harmless, and one that was cut or flipped shows itself.
`seconds` is a score's share of the network's time for its batch: what a table cost is known however often it was resumed.
"""

import hashlib
import io
import json
import logging
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from diffzero.utils.io import write_atomically

log = logging.getLogger(__name__)
KEY = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [("image", KEY), ("prompt", KEY), ("draw", pa.int32()), ("score", pa.float32()), ("seconds", pa.float32())]
)
COLUMNS = SCHEMA.names


def key(*parts: object) -> str:
    """A content key: 32 hex digits of sha256 over the parts' JSON, `bytes` by their own digest."""
    plain = [hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:32]


class StoreError(OSError):
    """A chunk could not be written, for want of space or rights."""


class Store:
    """The chunks of one context, under `root`.

    `identity` is all that changes a score apart from image, prompt and draw, and nothing that does not (design contract 4).
    """

    def __init__(self, root: Path, identity: dict[str, object]) -> None:
        self.folder = root / key(identity)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "identity.json", json.dumps(identity, indent=2, sort_keys=True).encode())

    def write(self, scores: pd.DataFrame) -> Path:
        """Store scores (COLUMNS) as one chunk; returns its path. Raises StoreError when the disk refuses."""
        stream = io.BytesIO()
        scores[COLUMNS].to_parquet(stream, index=False, compression="zstd")
        data = stream.getvalue()
        path = self.folder / f"{hashlib.sha256(data).hexdigest()}.parquet"
        if not path.exists():
            try:
                write_atomically(path, data)
            except OSError as error:
                raise StoreError(
                    f"{self.folder}: could not store {len(scores)} scores: {os.strerror(error.errno)}. All earlier chunks are intact. "
                    "Make room (or set `store:` to a folder on another disk) and type the same command again: only what is not stored is "
                    "scored."
                ) from error
        return path

    def read(self, images: set[str]) -> pd.DataFrame:
        """Every stored score of the images with these keys, each (image, prompt, draw) once; COLUMNS, the keys as categories.

        A damaged chunk is logged, set aside as `*.damaged` and read as if it were not there. Where two chunks hold one
        score (two workers met), the chunk with the lower name speaks, so that all readers agree.
        """
        wanted = pa.array(sorted(images), pa.string())
        tables = [SCHEMA.empty_table()]
        for path in sorted(self.folder.glob("*.parquet")) if images else []:
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # another job has just merged it into a new one (merging.py), or set it aside
                return self.read(images)
            if hashlib.sha256(data).hexdigest() != path.stem:
                self._set_aside(path)
                continue
            chunk = pq.read_table(io.BytesIO(data), columns=COLUMNS).cast(SCHEMA)
            tables.append(chunk.filter(pc.is_in(chunk["image"], wanted)))
        # Keys stay numbers with a dictionary: as strings, millions of scores would take a gigabyte.
        merged = pa.concat_tables(tables).unify_dictionaries().to_pandas()
        return merged.drop_duplicates(["image", "prompt", "draw"])

    def _set_aside(self, path: Path) -> None:
        damaged = path.with_suffix(".damaged")
        try:
            path.replace(damaged)
        except FileNotFoundError:  # another job was faster
            return
        log.warning(
            "%s: its bytes do not match its name; set aside as %s, its scores are taken again.", path, damaged.name
        )
