"""Fewer files in the store: a finished shard's chunks become one."""

import hashlib
import io
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from diffzero.scoring.store import COLUMNS, SCHEMA, Store

log = logging.getLogger(__name__)


def merge(store: Store, images: set[str]) -> None:
    """Nothing; the chunks that hold scores of the images with these keys, and of no others, are one chunk.

    A job writes a chunk every few minutes; hundreds of thousands in one folder are more than a file system likes, and every job reads
    all of its context's. The one is written before the others go: killed in between, a reader finds both, which say the same.
    Raises StoreError when the disk refuses.
    """
    old, tables = [], []
    # In the order in which Store.read lets them speak where two hold one score.
    for path in sorted(store.folder.glob("*.parquet")):
        if _images(path) <= images and (table := _whole(path)) is not None:
            old.append(path)
            tables.append(table)
    if len(old) < 2:
        return
    scores = pa.concat_tables(tables).unify_dictionaries().to_pandas().drop_duplicates(["image", "prompt", "draw"])
    for name in ("image", "prompt"):
        scores[name] = scores[name].cat.set_categories(sorted(scores[name].cat.categories))
    # Sorted: whatever was merged before, the same scores give the same bytes, and so the same name.
    new = store.write(scores.sort_values(["image", "draw", "prompt"], ignore_index=True))
    for path in set(old) - {new}:
        path.unlink(missing_ok=True)
    log.info("%d chunks are one: %s", len(old), new.name)


def _images(path: Path) -> set[str]:
    """The keys of a chunk's images; of a chunk that cannot be read, one that no image has."""
    try:
        return set(pq.read_table(path, columns=["image"])["image"].unique().to_pylist())
    except (FileNotFoundError, pa.ArrowInvalid):  # merged by another job, or damaged: readers set that aside
        return {""}


def _whole(path: Path) -> pa.Table | None:
    """A chunk's scores; None if it has just gone, or is damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(data).hexdigest() != path.stem:
        return None
    return pq.read_table(io.BytesIO(data), columns=COLUMNS).cast(SCHEMA)
