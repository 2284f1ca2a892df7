"""Check every file of a score store, and remove scores that were made from a wrong file."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffzero.scoring.chunk import Chunk, ChunkError, load_chunk
from diffzero.scoring.claims import CLAIMS
from diffzero.scoring.store import IDENTITY, content_key

CONTEXT = re.compile(r"[0-9a-f]{32}")
UNRECORDED = "unrecorded"  # instead of a digest: scores of earlier versions, which do not name what they were made from


@dataclass(frozen=True)
class StoreEntry:
    """A file of a store.

    Attributes
    ----------
    path
        The file.
    problem
        What is wrong with it; empty for an intact file.
    chunk
        The scores of an intact chunk.
    """

    path: Path
    problem: str = ""
    chunk: Chunk | None = None


def list_entries(root: Path) -> Iterator[StoreEntry]:
    """Read every file of a store and yield what it is, in the order of the names.

    Raises
    ------
    FileNotFoundError
        If there is no store.
    """
    for name in sorted(os.listdir(root)):
        path = root / name
        if not CONTEXT.fullmatch(name) or path.is_symlink() or not path.is_dir():
            yield StoreEntry(path, "not part of a store")
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            yield StoreEntry(path, f"cannot be listed ({error.strerror})")
            continue
        if IDENTITY not in names:
            yield StoreEntry(path, f"a context without {IDENTITY}")
        yield from (_inspect(path / file, name) for file in names if file != CLAIMS)


def _inspect(path: Path, context: str) -> StoreEntry:
    if path.name == IDENTITY:
        return StoreEntry(path, _identity_problem(path, context))
    if path.name.endswith(".part"):
        return StoreEntry(path, "a temporary file: delete it unless a job is running")
    if path.suffix == ".damaged":
        return StoreEntry(path, "a damaged chunk that was set aside: its scores are computed again, delete it")
    if path.suffix != ".parquet":
        return StoreEntry(path, "not part of a store")
    try:
        return StoreEntry(path, chunk=load_chunk(path, context))
    except FileNotFoundError:  # a job has just compacted it
        return StoreEntry(path)
    except ChunkError as error:
        return StoreEntry(path, f"{error}")


def _identity_problem(path: Path, context: str) -> str:
    try:
        identity = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        return f"cannot be read ({type(error).__name__}): the next job of this context writes it anew"
    found = content_key(identity)
    return "" if found == context else f"the identity of the context {found}, expected that of {context}"


def origins(chunk: Chunk) -> list[str]:
    """Return the digests of the files that the scores of a chunk were made from."""
    return list(chunk.made_from.values()) or [UNRECORDED]


def count_origins(entries: list[StoreEntry]) -> Counter[tuple[str, str]]:
    """Return the number of scores by part ("x", "text") and digest of the file that they were made from."""
    counts: Counter[tuple[str, str]] = Counter()
    for chunk in (entry.chunk for entry in entries if entry.chunk):
        for part, digest in (chunk.made_from or {"all files": UNRECORDED}).items():
            counts[part, digest] += chunk.table.num_rows
    return counts


def drop_scores(root: Path, digest: str, dry_run: bool = False) -> tuple[list[Path], int]:
    """Delete the chunks whose scores were made from a file.

    Parameters
    ----------
    root
        The store.
    digest
        The beginning of the digest of the file's values, or UNRECORDED.
    dry_run
        Whether to delete nothing.

    Returns
    -------
    chunks
        The paths of these chunks.
    scores
        The number of scores in them.
    """
    dropped, scores = [], 0
    for entry in list_entries(root):
        if entry.chunk and any(origin.startswith(digest) for origin in origins(entry.chunk)):
            dropped.append(entry.path)
            scores += entry.chunk.table.num_rows
            if not dry_run:
                entry.path.unlink(missing_ok=True)
    return dropped, scores
