"""Digests of tables, figures and the report page: of their files, and of the results that they were made from.

CSV, Markdown, LaTeX, SVG and PNG files stay plain. A JSON file beside them, of the same stem, names the SHA-256 of each.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from diffzero.utils.io import sha256_of
from diffzero.utils.provenance import DamagedFileError, Sources, describe, path_in_run, remake
from diffzero.utils.result_files import READERS, digests_of, read_record, write_record

FILES = "files"  # key of the record: SHA-256 by path relative to the record


def result_sources(files: Iterable[str | Path]) -> dict[Path, str]:
    """Return the digests of those files that are results of the run, as `sources` of a table or figure; tables count as their record."""
    paths = [
        path.with_suffix(".json") if path_in_run(path).startswith("tables/") else path for path in map(Path, files)
    ]
    return digests_of(dict.fromkeys(path for path in paths if path_in_run(path) and path.suffix in READERS))


def write_digests(
    record: Path, files: Iterable[Path], sources: Sources | None, content: Mapping[str, Any] | None = None
) -> None:
    """Write the record of a table or figure, after its files.

    Parameters
    ----------
    record
        The JSON file.
    files
        The files of the table or figure.
    sources
        The results that it was made from and their digests, as they were read.
    content
        What else the record holds.
    """
    digests = {Path(os.path.relpath(file, record.parent)).as_posix(): sha256_of(file) for file in files}
    write_record({**(content or {}), FILES: digests}, record, sources)


def read_intact(record: Path) -> dict[str, Any]:
    """Read a record after comparing the files that it names. Files that do not exist are not compared.

    Raises
    ------
    DamagedFileError
        If the record or one of its files is not as written.
    """
    content: dict[str, Any] = read_record(record)
    for name, expected in content[FILES].items():
        file = Path(os.path.normpath(record.parent / name))
        if file.is_file() and (found := sha256_of(file)) != expected:
            raise DamagedFileError(
                f"{file}: found SHA-256 {describe(found)}, expected {describe(expected)} as written in {record}. The file is damaged, "
                f"was edited, or comes from a backup. {remake([file, record])}"
            )
    return content
