"""List the files of a folder, without hidden ones and those that other programs derive from images."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Thumbnails and metadata that NAS systems, macOS and Windows write beside images.
DERIVED = frozenset({"@eadir", "#recycle", "__macosx", "$recycle.bin", "thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or derived by another program, by its own name without the folders above it.

    Such files are never images, and nothing below such folders is: in folders, in archives and among Parquet files.
    """
    return name.startswith(".") or name.casefold() in DERIVED


def printable_name(name: str) -> str:
    """Return the name of a file as text that can be written everywhere: bytes that are not UTF-8 become hexadecimal escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry of a folder is a folder or a link to one that exists."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def list_visible_files(top_dir: Path) -> dict[str, Path]:
    """Return all files at every depth below a folder, by their sorted names relative to it; none if there is no such folder.

    Linked folders are followed once. Hidden and derived files are left out.
    """
    names = sorted(_iter_names(str(top_dir), "", set()), key=printable_name) if top_dir.is_dir() else []
    return {printable_name(name): top_dir / name for name in names}


def _iter_names(current_dir: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    # os.scandir and not Path.rglob: it knows from the folder alone which entries are folders, without a call per file.
    stat = os.stat(current_dir)
    if (stat.st_dev, stat.st_ino) in seen:  # a link to a folder above it
        return
    seen.add((stat.st_dev, stat.st_ino))
    with suppress(PermissionError), os.scandir(current_dir) as entries:  # the source refuses or ignores such a folder
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if is_folder(entry):
                yield from _iter_names(entry.path, f"{prefix}{entry.name}/", seen)
            else:
                yield f"{prefix}{entry.name}"
