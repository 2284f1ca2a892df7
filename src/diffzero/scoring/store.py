"""The score store: raw squared errors in checksummed chunks, addressed by content, outside the folders that Snakemake manages.

    <store>/<context>/identity.json      what all scores of the context share (weights, data set, dtype, seed, versions)
    <store>/<context>/<sha256>.parquet   a chunk of scores (SCHEMA)

The name of a chunk is the digest of its bytes. Writing a chunk twice is therefore harmless, and a reader detects a truncated or
corrupted chunk.
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
# image, prompt: content keys; draw: number of the draw; score: ||x - x_hat||^2;
# seconds: the score's share of the network time of its batch, so that costs add up however often a run was resumed.
SCHEMA = pa.schema(
    [("image", KEY), ("prompt", KEY), ("draw", pa.int32()), ("score", pa.float32()), ("seconds", pa.float32())]
)
SCORE_COLUMNS = SCHEMA.names
SCORE_KEY = ["image", "prompt", "draw"]  # the columns that identify a score within a context


def content_key(*parts: object) -> str:
    """Return a content key: the first 32 hexadecimal digits of the SHA-256 of the parts as JSON; `bytes` enter by their own digest."""
    plain = [hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:32]


class StoreError(OSError):
    """A chunk could not be written because of missing space or permissions."""


class Store:
    """The chunks of one context.

    Parameters
    ----------
    root
        Folder of the store.
    identity
        Everything that changes a score apart from image, prompt and draw, and nothing else. Its content key names the context.
    """

    def __init__(self, root: Path, identity: dict[str, object]) -> None:
        self.directory = root / content_key(identity)
        self.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self.directory / "identity.json", json.dumps(identity, indent=2, sort_keys=True).encode())

    def write(self, scores: pd.DataFrame) -> Path:
        """Write scores (SCHEMA) as one chunk and return its path.

        Raises
        ------
        StoreError
            If the disk is full or not writable.
        """
        stream = io.BytesIO()
        scores[SCORE_COLUMNS].to_parquet(stream, index=False, compression="zstd")
        data = stream.getvalue()
        path = self.directory / f"{hashlib.sha256(data).hexdigest()}.parquet"
        if path.exists():
            return path
        try:
            write_atomically(path, data)
        except OSError as error:
            raise StoreError(
                f"{self.directory}: could not store {len(scores)} scores: {os.strerror(error.errno or 0)}. All earlier chunks are "
                "intact. Free some space (or set `store:` to a folder on another disk) and re-run the same command: stored scores are "
                "not computed again."
            ) from error
        return path

    def read(self, images: set[str]) -> pd.DataFrame:
        """Read all stored scores of some images.

        A damaged chunk is logged, renamed to `*.damaged` and ignored. Where two chunks hold the same score (two workers computed it),
        the chunk whose name sorts first wins, so that all readers agree.

        Parameters
        ----------
        images
            Content keys of the images.

        Returns
        -------
        DataFrame
            Each (image, prompt, draw) once, columns as in SCHEMA, `image` and `prompt` as categories.
        """
        wanted = pa.array(sorted(images), pa.string())
        tables = [SCHEMA.empty_table()]
        for path in self._chunks() if images else []:
            try:
                table = _read_chunk(path)
            except FileNotFoundError:  # another job has just compacted it into a new chunk, or set it aside
                return self.read(images)
            if table is None:
                self._set_aside(path)
            else:
                tables.append(table.filter(pc.is_in(table["image"], wanted)))
        return _merge(tables)

    def compact(self, images: set[str]) -> None:
        """Replace all chunks that only hold scores of these images (content keys) by one chunk.

        A job writes a chunk every few minutes; hundreds of thousands in one folder would slow down the file system and every job that
        reads the context. The new chunk is written before the old ones are deleted: a reader in between finds both, which agree.

        Raises
        ------
        StoreError
            If the disk is full or not writable.
        """
        old: list[Path] = []
        tables: list[pa.Table] = []
        for path in self._chunks():
            if _image_keys(path) <= images and (table := _read_chunk_if_intact(path)) is not None:
                old.append(path)
                tables.append(table)
        if len(old) < 2:
            return
        scores = _merge(tables)
        for name in ("image", "prompt"):
            scores[name] = scores[name].cat.set_categories(sorted(scores[name].cat.categories))
        # Sorted, so that the same scores give the same bytes and file name, regardless of earlier compactions.
        new = self.write(scores.sort_values(["image", "draw", "prompt"], ignore_index=True))
        for path in set(old) - {new}:
            path.unlink(missing_ok=True)
        log.info("Compacted %d chunks into %s.", len(old), new.name)

    def _chunks(self) -> list[Path]:
        """Return the paths of all chunks; of two that hold the same score, the first one counts."""
        return sorted(self.directory.glob("*.parquet"))

    def _set_aside(self, path: Path) -> None:
        damaged = path.with_suffix(".damaged")
        try:
            path.replace(damaged)
        except FileNotFoundError:  # another job was faster
            return
        log.warning(
            "%s: the content does not match the checksum in the name. Renamed to %s; its scores are computed again.",
            path,
            damaged.name,
        )


def _merge(tables: list[pa.Table]) -> pd.DataFrame:
    # Keys stay integers with a dictionary: as strings, millions of scores would take a gigabyte.
    return pa.concat_tables(tables).unify_dictionaries().to_pandas().drop_duplicates(SCORE_KEY)


def _read_chunk(path: Path) -> pa.Table | None:
    """Return the scores of a chunk (SCHEMA), or None if it is damaged."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        return None
    return pq.read_table(io.BytesIO(data), columns=SCORE_COLUMNS).cast(SCHEMA)


def _read_chunk_if_intact(path: Path) -> pa.Table | None:
    """Return the scores of a chunk (SCHEMA), or None if it is damaged or no longer exists."""
    try:
        return _read_chunk(path)
    except FileNotFoundError:
        return None


def _image_keys(path: Path) -> set[str]:
    """Return the image keys of a chunk; for a missing or damaged chunk, a key that no image has."""
    try:
        return set(pq.read_table(path, columns=["image"])["image"].unique().to_pylist())
    except (FileNotFoundError, pa.ArrowInvalid):
        return {""}
