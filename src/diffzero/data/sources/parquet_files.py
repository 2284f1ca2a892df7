"""Find and read Parquet files; every error names the file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from diffzero.data.decode import find_pointer
from diffzero.data.file_listing import is_hidden, list_visible_files
from diffzero.data.sources.class_folders import HIDDEN

if TYPE_CHECKING:
    import pyarrow.parquet as pq

# Words by which the names of files and folders name a split.
SPLIT_WORDS = {
    "train", "training", "trainval", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "extra", "holdout",
    "unlabeled", "unlabelled", "unsupervised",
}  # fmt: skip
# `test-00000-of-00002`, as the library `datasets` numbers files, with a hash in its older versions; or `test-0`.
NUMBERED = re.compile(r"(.*?)[-_.]?\d+(?:-of-(\d+)(?:-[0-9a-f]+)?)?")


def find_files(parquet_dir: Path, split: str | None) -> list[Path]:
    """Return the Parquet files of one split below a folder.

    Parameters
    ----------
    parquet_dir : Path
        The folder. Folders below it are searched, except hidden ones. Hidden files are left out; `count_skipped` counts them.
    split : str, optional
        The split, by the names of files (`{split}.parquet`, `{split}-00000-of-00001.parquet`) or folders. None: all files, which must
        then belong to one split.

    Raises
    ------
    FileNotFoundError, ValueError
        There are none; there are several splits, and none was chosen; a shard is missing.
    """
    names = [name for name in list_visible_files(parquet_dir) if name.lower().endswith(".parquet")]
    splits: dict[str, list[str]] = {}
    for name in names:
        splits.setdefault(split_of(name), []).append(name)
    counts = ", ".join(f"{key or 'no split'} ({len(files)} files, e.g. {files[0]})" for key, files in splits.items())
    if split is None and len(splits) > 1:
        keys = " or ".join(f"`split: {key}`" for key in splits if key)
        raise ValueError(
            f"{parquet_dir}: found Parquet files of several splits: {counts}. Write {keys} in the source's block."
        )
    chosen = [name for name in names if split is None or is_in_split(name, split) or split_of(name) == split]
    if split is not None and not chosen:
        raise FileNotFoundError(
            f"{parquet_dir}: found no Parquet file of split {split!r}; found {counts or 'none at all'}."
        )
    folders = sorted({PurePosixPath(name).parent.as_posix() for name in chosen})
    if len(folders) > 1:
        raise ValueError(
            f"{parquet_dir}: found its Parquet files in {', '.join(folders)}, expected one folder. Write one of them as `path`."
        )
    require_all_shards(chosen, parquet_dir)
    if not chosen:
        raise FileNotFoundError(
            f"{parquet_dir}: found no Parquet file (*.parquet) in this folder. Correct `path`, or write the images into one."
        )
    return [parquet_dir / name for name in chosen]


def count_skipped(parquet_dir: Path, chosen: Sequence[Path]) -> dict[tuple[int | None, str], int]:
    """Return the number of files beside and among the chosen ones that are left out, by the reason, as in TestSet."""
    files, reasons = set(chosen), Counter[tuple[int | None, str]]()
    for path in list_visible_files(parquet_dir).values():
        if path not in files:
            is_parquet = path.suffix.lower() == ".parquet"
            reasons[None, "Parquet file of another split" if is_parquet else "not a Parquet file"] += 1
    for place in {path.parent for path in chosen}:
        reasons[None, HIDDEN] += sum(is_hidden(path.name) and path.is_file() for path in place.iterdir())
    return {key: count for key, count in reasons.items() if count}


def split_of(name: str) -> str:
    """Return the split that the path of a file names: its name without numbers, or a folder; an empty string if it names none."""
    path = PurePosixPath(name)
    numbered = NUMBERED.fullmatch(path.stem)
    base = numbered[1] if numbered else path.stem
    if (numbered and numbered[2] and base) or _names_split(base):
        return base
    return next(filter(_names_split, reversed(path.parts[:-1])), "/".join(path.parts[:-1]))


def _names_split(part: str) -> bool:
    return not SPLIT_WORDS.isdisjoint(re.split(r"[^a-z]+", part.lower()))


def is_in_split(name: str, split: str) -> bool:
    """Return whether a file is `{split}.parquet`, `{split}-00000-of-00001.parquet` or in a folder with the name of the split."""
    path = PurePosixPath(name)
    numbered = NUMBERED.fullmatch(path.stem)
    return split in (path.stem, numbered[1] if numbered else "", *path.parts[:-1])


def require_all_shards(names: Sequence[str], place: object) -> None:
    """Raise ValueError if a file of a numbered set is missing: `test-00000-of-00002.parquet` without the second."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        numbered = NUMBERED.fullmatch(PurePosixPath(name).stem)
        if numbered and numbered[2]:
            groups.setdefault((PurePosixPath(name).parent.as_posix(), numbered[1]), []).append(numbered[2])
    for (_, prefix), totals in groups.items():
        if len(totals) != int(totals[0]) or len(set(totals)) > 1:
            expected = ", ".join(sorted({str(int(total)) for total in totals}))
            raise ValueError(
                f"{place}: found {len(totals)} files {prefix}-…-of-…, expected {expected} as their names say. Copy the missing "
                "ones, or remove those of another version."
            )


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Raise errors of Arrow, which do not name the file, as ValueError with the path and what to do."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the operating system; it names the file
        raise ValueError(f"{path}: {_diagnose(path)} ({' '.join(str(error).split())})") from error


def _diagnose(path: Path) -> str:
    """Return what is wrong with a file that Arrow cannot read, and what to do."""
    if path.is_dir():
        return "found a folder, expected a Parquet file."
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "found an empty file (0 bytes), expected a Parquet file. Download it again."
    if pointer := find_pointer(head):
        return f"found {pointer} in its repository. Expected the Parquet file itself."
    if head.startswith(b"\x00\x05\x16\x07"):
        return f"found a file that macOS writes beside others (AppleDouble), expected a Parquet file. Delete it: rm '{path}'"
    if head.startswith(b"PAR1"):
        return "found a damaged or truncated Parquet file. Download it again."
    return f"found no Parquet file (it begins with {head[:16]!r}). Remove it, or correct `path`."


@dataclass(frozen=True)
class Shard:
    """One Parquet file, opened with errors that name it.

    Parameters
    ----------
    path : Path
        The file.
    """

    path: Path

    def open(self) -> pq.ParquetFile:
        """Return the open file. Raises ValueError, OSError."""
        import pyarrow.parquet as pq

        if self.path.exists() and not self.path.is_file():  # opening a pipe waits for ever
            raise ValueError(
                f"{self.path}: found a folder, pipe, socket or device, expected a Parquet file. Remove it."
            )
        with errors_name(self.path):
            return pq.ParquetFile(self.path, page_checksum_verification=True)

    def require_columns(self, image: str, label: str) -> None:
        """Raise ValueError if a column is missing, or the label column cannot hold labels."""
        import pyarrow as pa

        schema = self.open().schema_arrow
        for column in (image, label):
            if column not in schema.names:
                raise ValueError(
                    f"{self.path}: found columns {schema.names}, expected {column!r} (keys source.image and source.label)."
                )
            if schema.names.count(column) > 1:
                raise ValueError(
                    f"{self.path}: found {schema.names.count(column)} columns {column!r}, expected one. Rename or remove the others."
                )
        found = schema.field(label).type
        if pa.types.is_nested(found) or _is_binary(found) or pa.types.is_boolean(found):
            raise ValueError(
                f"{self.path}: found {found} in column {label!r}, expected whole numbers or text (key source.label). Name another "
                "column, or store the label itself."
            )

    def class_names(self, column: str) -> list[str]:
        """Return the class names that the library `datasets` stores beside a label column; an empty list if there are none."""
        stored = (self.open().schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        try:
            names = json.loads(stored).get("info", {}).get("features", {}).get(column, {}).get("names") or []
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{self.path}: found metadata of the library `datasets` that cannot be read ({error}). Write the file again."
            ) from error
        wrong = [name for name in names if not isinstance(name, str)] if isinstance(names, list) else [names]
        if wrong:
            raise ValueError(
                f"{self.path}: found {wrong[0]!r} among the class names of column {column!r} in the metadata of the library `datasets`, "
                "expected a list of texts. Write the file again."
            )
        return list(names)

    def row_names(self, prefix: str, image: str) -> list[str]:
        """Return the name of each row: its value in a column `image` of text or numbers beside the images, else its number."""
        import pyarrow as pa

        file = self.open()
        schema = file.schema_arrow
        rows = range(file.metadata.num_rows)
        found = schema.field("image").type if "image" in schema.names and image != "image" else pa.null()
        found = found.value_type if pa.types.is_dictionary(found) else found
        if not (pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_integer(found)):
            return [f"{prefix}{row:07d}" for row in rows]  # a struct or bytes are another image, not a name
        names = self.values("image")
        if None in names:
            raise ValueError(
                f"{self.path}, row {names.index(None)}: found no name in column 'image', expected one per row."
            )
        return [str(name) for name in names]

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        file = self.open()
        with errors_name(self.path):
            values: list[Any] = file.read(columns=[column]).column(column).to_pylist()
        return values

    def read_cells(self, column: str, rows: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Iterate over some images, with one row group in memory at a time.

        A cell is bytes, or a struct with a field `bytes`. A cell that is null gives no bytes, which is an unreadable image.
        """
        file, first, wanted = self.open(), 0, sorted(rows)
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            inside = [row for row in wanted if first <= row < last]
            if inside:
                with errors_name(self.path):
                    table = file.read_row_group(group, columns=[column])
                    cells = table.column(column).take([row - first for row in inside]).to_pylist()
                yield from (
                    (row, self._image_bytes(cell, row, column)) for row, cell in zip(inside, cells, strict=True)
                )
            first = last

    def _image_bytes(self, cell: object, row: int, column: str) -> bytes:
        data = cell["bytes"] if isinstance(cell, dict) and "bytes" in cell else cell
        if data is None:
            return b""
        if not isinstance(data, bytes):
            raise ValueError(
                f"{self.path}, row {row}: found {type(data).__name__} in column {column!r}, expected the bytes of an image file."
            )
        return data


def _is_binary(found: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(found) or pa.types.is_large_binary(found) or pa.types.is_fixed_size_binary(found))


def shared_class_names(shards: Sequence[Shard], column: str) -> list[str]:
    """Return the class names beside a label column, which must be the same in all files. Raises ValueError."""
    first = shards[0].class_names(column)
    for shard in shards[1:]:
        names = shard.class_names(column)
        if names == first:
            continue
        pairs = zip(names, first, strict=False)
        label = next((k for k, (found, expected) in enumerate(pairs) if found != expected), min(len(names), len(first)))
        found, expected = (repr(known[label]) if label < len(known) else "no class" for known in (names, first))
        raise ValueError(
            f"{shard.path}: found {found} as the name of label {label} in column {column!r}, expected {expected} as in {shards[0].path}. "
            "The files number their classes differently, so they are not parts of one data set. Write the one file as `path`, or "
            "write the files again with the same class names."
        )
    return first
