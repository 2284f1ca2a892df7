"""Compare the files that the images of a run were loaded from with those that are there now.

Names, sizes and times are compared first, because they are cheap. Where only a time differs, the digest of the content decides.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from diffzero.data.dataset import Dataset
from diffzero.utils.io import read_json, sha256_of, write_atomically

RECORD, STATE = "source-files.json", "source-state.json"


class Stamp(NamedTuple):
    """Size and times of a file. The time of its last status change is kept, too: `cp -p` and `touch -r` do not preserve it."""

    size: int
    mtime_ns: int
    ctime_ns: int


NO_STAMP = Stamp(-1, 0, 0)
Entry: TypeAlias = list[int | str | None]  # a stamp and the SHA-256 of the content; None for an image that was not read


@dataclass(frozen=True)
class LocalFiles:
    """The files of one source on this machine.

    Parameters
    ----------
    source : str
        Description of the source.
    files : mapping of str to Path
        The files by name.
    is_downloaded : bool
        Whether the run downloads a missing file again.
    """

    source: str
    files: Mapping[str, Path]
    is_downloaded: bool = False

    def stamps(self) -> dict[str, Stamp]:
        """Return the stamp of each file, NO_STAMP for a file that cannot be read, such as a dangling link."""
        return {name: _stamp(path) for name, path in self.files.items()}


def _stamp(path: Path) -> Stamp:
    try:
        stat = os.stat(path)
    except OSError:
        return NO_STAMP
    return Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@dataclass(frozen=True)
class SourceRecord:
    """The files that a selection of images was made from.

    Parameters
    ----------
    source : str
        Description of the source.
    state : mapping
        The content of the state file when the images were selected; see `diffzero.workflow.source_state`.
    entries : mapping of str to Entry
        Stamp and digest of each file, by name.
    """

    source: str
    state: Mapping[str, Any]
    entries: Mapping[str, Entry]

    @classmethod
    def read(cls, path: Path) -> "SourceRecord | None":
        """Read a record; None if there is none."""
        if not path.is_file():
            return None
        content = read_json(path)
        return cls(content["source"], content["state"], content["files"])

    def write(self, path: Path) -> None:
        """Write the record. Names that are not UTF-8 are escaped."""
        content = {"source": self.source, "state": self.state, "files": self.entries}
        write_atomically(path, json.dumps(content).encode())


def dataset_files(dataset: Dataset, root: Path) -> list[LocalFiles]:
    """Return the local files of each source of a data set."""
    found = []
    for source in dataset.all_sources:
        names = dataset.for_source(source).names_in_sources
        files = {**source.local_files(root), **source.files_of_hidden_classes(root, names)}
        found.append(LocalFiles(source.describe(), files, source.is_downloaded))
    return found


def make_record(
    before: Mapping[str, Stamp], now: LocalFiles, digests: Mapping[str, str], state: Mapping[str, Any]
) -> SourceRecord:
    """Return the record of files after images were loaded from them.

    Parameters
    ----------
    before : mapping of str to Stamp
        Stamps from before the images were loaded. Files that were downloaded meanwhile are not among them.
    now : LocalFiles
        The files after that.
    digests : mapping of str to str
        SHA-256 of each image that is used. Where the images are not files of their own, but in an archive or a table, all files
        are hashed.
    state : mapping
        See SourceRecord.

    Raises
    ------
    OSError
        If a file has changed in the meantime.
    """
    stamps = now.stamps()
    changed = sorted(name for name in before if stamps.get(name) != before[name])
    if changed and not now.is_downloaded:
        raise OSError(
            f"{now.source}: {changed[0]} was changed while images were read ({len(changed)} such files). Re-run the same command."
        )
    known = digests
    if not set(digests) <= set(stamps):
        known = {name: _digest(path) for name, path in now.files.items()}
    return SourceRecord(now.source, state, {name: [*stamp, known.get(name)] for name, stamp in stamps.items()})


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; "" for one that cannot be read, and for pipes, which would be waited for."""
    try:
        return sha256_of(path) if path.is_file() else ""
    except OSError:
        return ""


def find_changes(record: SourceRecord, now: LocalFiles) -> tuple[list[str], SourceRecord]:
    """Return what differs between the recorded files and those that are there now, and the record with the current stamps.

    An image that the run did not use counts by name and size only, because nothing was computed from its content. A file that the
    run would download again may be missing.
    """
    changes, entries, stamps = [], dict(record.entries), now.stamps()
    for name in sorted(record.entries.keys() | stamps.keys()):
        if name not in stamps:
            changes += [] if now.is_downloaded else [f"{name}: removed"]
        elif name not in record.entries:
            changes.append(f"{name}: added")
        else:
            *old, digest = record.entries[name]
            changes += [f"{name}: content changed"] if _differs(old, digest, stamps[name], now.files[name]) else []
            entries[name] = [*stamps[name], digest]
    return changes, SourceRecord(record.source, record.state, entries)


def _differs(old: list[Any], digest: object, stamp: Stamp, path: Path) -> bool:
    if [*stamp] == old:
        return False
    return stamp.size != old[0] or (digest is not None and _digest(path) != digest)


def listing_digest(now: LocalFiles) -> str:
    """Return a digest of the names, sizes and times of files."""
    rows = [[name, *stamp] for name, stamp in sorted(now.stamps().items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def record_images(
    before: list[dict[str, Stamp]], dataset: Dataset, images: pd.DataFrame, state: Path, root: Path
) -> SourceRecord:
    """Return the record of the source that the selected images of a data set come from.

    Parameters
    ----------
    before : list of dict
        Stamps of the files of each source from before the images were loaded.
    dataset : Dataset
        The data set.
    images : DataFrame
        Columns `image`, `digest` and `source` of the selected images.
    state : Path
        The state file.
    root : Path
        Root of the repository.
    """
    used = images["source"].iloc[0]
    sources = zip(before, dataset_files(dataset, root), strict=True)
    stamps, now = next((stamps, found) for stamps, found in sources if found.source == used)
    digests = dict(zip(images["image"], images["digest"], strict=True))
    # An image that was left out as unreadable may be repaired without another size, or only get other permissions.
    left_out = [entry["image"] for entry in images.attrs["account"]["unreadable"]]
    digests |= {name: _digest(now.files[name]) for name in left_out if name in now.files}
    return make_record(stamps, now, digests, read_json(state))
