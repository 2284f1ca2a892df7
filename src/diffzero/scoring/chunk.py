"""Chunks of the score store: Parquet files that are named after the digest of their bytes and name their context."""

import hashlib
import io
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from diffzero.utils.provenance import KEY, dump

CHUNK_VERSION = 1
NAME = re.compile(r"[0-9a-f]{64}\.parquet")
CONTENT_KEY = pa.dictionary(pa.int32(), pa.string())
# image, prompt: content keys; draw: number of the draw; score: ||x - x_hat||^2;
# seconds: the score's share of the network time of its batch, so that costs add up however often a run was resumed.
SCHEMA = pa.schema(
    [
        ("image", CONTENT_KEY),
        ("prompt", CONTENT_KEY),
        ("draw", pa.int32()),
        ("score", pa.float32()),
        ("seconds", pa.float32()),
    ]
)
SCORE_COLUMNS = SCHEMA.names


class ChunkError(ValueError):
    """A file in the folder of a context is not a chunk of this context; the message says why."""


class DamagedChunkError(ChunkError):
    """The content of a chunk does not match its name."""


@dataclass(frozen=True)
class Chunk:
    """The scores of a chunk, and what they were made from.

    Attributes
    ----------
    table
        The scores (SCHEMA).
    made_from
        Digests of the values of the files of latents ("x") and text embeddings ("text"); empty in chunks of earlier versions.
    """

    table: pa.Table
    made_from: dict[str, str] = field(default_factory=dict)


def to_chunk(scores: pd.DataFrame, context: str, made_from: Mapping[str, str]) -> tuple[str, bytes]:
    """Return name and content of the chunk that holds some scores (SCHEMA)."""
    table = pa.Table.from_pandas(scores[SCORE_COLUMNS], preserve_index=False)
    stated = {"version": CHUNK_VERSION, "context": context, "made_from": dict(made_from)}
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: dump(stated)})
    data = stream.getvalue()
    return f"{hashlib.sha256(data).hexdigest()}.parquet", data


def load_chunk(path: Path, context: str) -> Chunk:
    """Read a chunk.

    Parameters
    ----------
    path
        The file.
    context
        The context in whose folder it is. Chunks of earlier versions do not name theirs.

    Raises
    ------
    FileNotFoundError
        If it no longer exists.
    DamagedChunkError, ChunkError
        If it cannot be read, its content is not what its name says, or it belongs to another context or version.
    """
    data = _read(path)
    if not NAME.fullmatch(path.name):
        raise ChunkError("found a file that diffzero did not name, expected the SHA-256 of a chunk as its name")
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise DamagedChunkError("the content does not match the checksum in the name")
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        stated = json.loads((file.metadata.metadata or {}).get(KEY.encode(), b"{}"))
        if stated.get("version", CHUNK_VERSION) != CHUNK_VERSION:
            raise ChunkError(f"found a chunk of version {stated['version']}, expected {CHUNK_VERSION}")
        if stated.get("context", context) != context:
            raise ChunkError(f"found a chunk of the context {stated['context']}, expected {context}, the folder's name")
        return Chunk(file.read(SCORE_COLUMNS).select(SCORE_COLUMNS).cast(SCHEMA), stated.get("made_from", {}))
    except (pa.ArrowException, KeyError, TypeError, AttributeError) as error:
        raise ChunkError(f"found no scores of this version ({' '.join(str(error).split())[:200]})") from error


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ChunkError("found no regular file")
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise ChunkError("found a link to a file that does not exist") from None
        raise
    except OSError as error:
        raise ChunkError(f"cannot be read ({error.strerror})") from error


def image_keys_in(path: Path) -> set[str]:
    """Return the image keys in a file without reading its other columns; of a file that is not a chunk, a key that no image has."""
    try:
        return set(pq.read_table(path, columns=["image"])["image"].unique().to_pylist()) if path.is_file() else {""}
    except (OSError, pa.ArrowException, KeyError, TypeError):
        return {""}


def merge_chunks(tables: list[pa.Table]) -> pd.DataFrame:
    """Return the scores of some tables (SCHEMA), each (image, prompt, draw) once: the first one counts."""
    # Keys stay integers with a dictionary: as strings, millions of scores would take a gigabyte.
    scores = pa.concat_tables([SCHEMA.empty_table(), *tables]).unify_dictionaries().to_pandas()
    return scores.drop_duplicates(["image", "prompt", "draw"])
