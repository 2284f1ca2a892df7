"""The score store: raw squared errors in checksummed chunks, addressed by content, outside the folders that Snakemake manages.

    <store>/<context>/identity.json      what all scores of the context share (weights, data set, dtype, seed, versions)
    <store>/<context>/<sha256>.parquet   a chunk of scores (chunk.SCHEMA)
    <store>/<context>/claims/            which running job scores which image (claims.Claims)

The name of a chunk is the digest of its bytes. Writing a chunk twice is therefore harmless, and a reader detects a truncated or
corrupted chunk. Other files in the folder of a context are named in the log and passed over.
"""

import errno
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diffzero.scoring.chunk import (
    Chunk,
    ChunkError,
    DamagedChunkError,
    image_keys_in,
    load_chunk,
    merge_chunks,
    to_chunk,
)
from diffzero.utils.io import write_atomically

log = logging.getLogger(__name__)
IDENTITY = "identity.json"
LISTINGS = 20  # how often a folder is listed while chunks vanish from it
NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)


def content_key(*parts: object) -> str:
    """Return a content key: the first 32 hexadecimal digits of the SHA-256 of the parts as JSON; `bytes` enter by their own digest."""
    plain = [hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:32]


class StoreError(OSError):
    """Scores could not be stored or found because of missing space or permissions."""


class Store:
    """The chunks of one context. A store that may not be written can still be read.

    Parameters
    ----------
    root
        Folder of the store.
    identity
        Everything that changes a score apart from image, prompt and draw, and nothing else. Its content key names the context.
    made_from
        Digests of the values of the files that new scores are made from, by their part: "x" and "text".
    """

    def __init__(self, root: Path, identity: dict[str, object], made_from: Mapping[str, str] | None = None) -> None:
        self.context, self.made_from = content_key(identity), dict(made_from or {})
        self.directory = root / self.context
        self._seen: set[Path] = set()  # files that were read, written or passed over
        content = json.dumps(identity, indent=2, sort_keys=True).encode()
        try:
            if _read_if_readable(self.directory / IDENTITY) != content:
                write_atomically(self.directory / IDENTITY, content)
        except OSError as error:
            if error.errno not in NOT_ALLOWED:
                raise

    def require_writable(self) -> None:
        """Raise StoreError if no chunk can be written."""
        try:
            write_atomically(self.directory / ".writable", b"")
            (self.directory / ".writable").unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in NOT_ALLOWED:
                raise
            raise StoreError(
                f"{self.directory}: new scores are needed, but the folder cannot be written ({error.strerror}). Nothing was computed. "
                f"Copy the store to a folder of yours (`cp -r {self.directory.parent} FOLDER`), set `store: FOLDER` in the "
                "configuration and re-run the same command, or ask its owner for write permission."
            ) from error

    def write(self, scores: pd.DataFrame) -> Path:
        """Write scores (chunk.SCHEMA) as one chunk and return its path.

        Raises
        ------
        StoreError
            If the disk is full or not writable.
        """
        return self._write(scores, self.made_from)

    def _write(self, scores: pd.DataFrame, made_from: Mapping[str, str]) -> Path:
        name, data = to_chunk(scores, self.context, made_from)
        path = self.directory / name
        self._seen.add(path)
        if path.is_file():
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
            Each (image, prompt, draw) once, columns as in chunk.SCHEMA, `image` and `prompt` as categories.
        """
        self._seen.clear()
        return self.read_new(images) if images else merge_chunks([])

    def read_new(self, images: set[str]) -> pd.DataFrame:
        """Read the scores in chunks that this object has neither read nor written yet; otherwise as `read`."""
        wanted, tables = pa.array(sorted(images), pa.string()), dict[Path, pa.Table]()
        for _ in range(LISTINGS):
            listed = self._chunk_files()
            vanished = False
            for path in listed:
                if path not in self._seen and path not in tables:
                    try:
                        chunk = self._load(path)
                    except FileNotFoundError:  # another job has just compacted it into a new chunk, or set it aside
                        vanished = True
                        continue
                    tables[path] = chunk.table.filter(pc.is_in(chunk.table["image"], wanted)) if chunk else None
            if not vanished:
                break
        self._seen |= tables.keys()
        return merge_chunks([tables[path] for path in listed if tables.get(path) is not None])

    def compact(self, images: set[str]) -> None:
        """Replace all chunks that only hold scores of these images (content keys) by one chunk for each set of files they were made from.

        A job writes a chunk every few minutes; hundreds of thousands in one folder would slow down the file system and every job that
        reads the context. The new chunk is written before the old ones are deleted: a reader in between finds both, which agree.
        Nothing happens in a store that may not be written.

        Raises
        ------
        StoreError
            If the disk is full.
        """
        if not os.access(self.directory, os.W_OK):
            return
        groups: dict[str, list[tuple[Path, Chunk]]] = {}
        for path in self._chunk_files():
            if image_keys_in(path) <= images:
                try:
                    chunk = load_chunk(path, self.context)
                except (ChunkError, FileNotFoundError):  # readers report it
                    continue
                groups.setdefault(json.dumps(chunk.made_from, sort_keys=True), []).append((path, chunk))
        for old in groups.values():
            if len(old) > 1:
                self._replace(old)

    def _replace(self, old: list[tuple[Path, Chunk]]) -> None:
        scores = merge_chunks([chunk.table for _, chunk in old])
        for name in ("image", "prompt"):
            scores[name] = scores[name].cat.set_categories(sorted(scores[name].cat.categories))
        # Sorted, so that the same scores give the same bytes and file name, regardless of earlier compactions.
        new = self._write(scores.sort_values(["image", "draw", "prompt"], ignore_index=True), old[0][1].made_from)
        for path in {path for path, _ in old} - {new}:
            path.unlink(missing_ok=True)
        log.info("Compacted %d chunks into %s.", len(old), new.name)

    def _chunk_files(self) -> list[Path]:
        """Return the paths of all chunks; of two that hold the same score, the first one counts."""
        try:
            return sorted(self.directory / name for name in os.listdir(self.directory) if _may_be_chunk(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"{self.directory}: cannot be listed ({error.strerror}). Ask its owner for permission to read it, or set `store:` to "
                "another folder."
            ) from error

    def _load(self, path: Path) -> Chunk | None:
        """Return a chunk, or None for a file that is passed over."""
        try:
            return load_chunk(path, self.context)
        except ChunkError as error:
            if isinstance(error, DamagedChunkError) and _set_aside(path):
                log.warning(
                    "%s: %s. Renamed to %s; its scores are computed again.", path, error, _damaged_name(path).name
                )
            else:
                log.warning(
                    "%s: %s. Passed over. List all such files: .venv/bin/python -m diffzero.cli.store verify %s",
                    path,
                    error,
                    self.directory.parent,
                )
            return None


def _may_be_chunk(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(".")


def _read_if_readable(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _damaged_name(path: Path) -> Path:
    return path.with_suffix(".damaged")


def _set_aside(path: Path) -> bool:
    """Rename a damaged chunk; return False if that is not allowed."""
    try:
        path.replace(_damaged_name(path))
    except FileNotFoundError:  # another job was faster
        return True
    except OSError:
        return False
    return True
