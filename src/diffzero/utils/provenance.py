"""Digests of result files: of their bytes, of their values, and of the files that they were made from."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Folders of a run, and how many parts of a path name a file in one of them.
RUN_FOLDERS = {
    "baselines": 4, "crops": 3, "data": 3, "denoised": 3, "figures": 2, "inputs": 4, "predictions": 6, "samples": 3, "scores": 6,
    "tables": 2, "weights": 2,
}  # fmt: skip
KEY = "diffzero"  # under this name each format holds the provenance as JSON
UNSIGNED = "0" * 64
NO_DIGEST = "found no digest (the file was cut short, or an earlier version of diffzero wrote it)"
# Quotes are escaped where the JSON is a string within JSON, as in the header of a safetensors file.
Sources = Mapping[Path, str]
Settings = Mapping[str, Any]
SIGNATURE = re.compile(rb'file_sha256\\?": ?\\?"([0-9a-f]{64})\\?"')


class ResultFileError(ValueError):
    """A result file cannot be used; the message ends with the command that makes it again."""


class DamagedFileError(ResultFileError):
    """The content of a file is not what was written, or the file has no digest."""


class StaleFileError(ResultFileError):
    """A file was made from other files than those that are there now, or belongs to something else."""


@dataclass(frozen=True)
class Provenance:
    """The origin of a result file, as the file states it.

    Attributes
    ----------
    digest
        SHA-256 of the values of the file.
    made_from
        Digest of the values of each file that it was made from, by path relative to its own directory.
    settings
        What else its values depend on.
    path
        Its path below the folder of its run; empty for a file that belongs to no run.
    """

    digest: str = UNSIGNED
    made_from: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    path: str = ""

    def to_json(self, **more: Any) -> dict[str, Any]:
        """Return the provenance with further entries and a place for the signature of the file (`sign`)."""
        own = {"digest": self.digest, "made_from": self.made_from, "settings": self.settings, "path": self.path}
        return {**more, **own, "file_sha256": UNSIGNED}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Provenance":
        """Return the provenance in a value of `to_json`."""
        return cls(value["digest"], value["made_from"], value["settings"], value["path"])


def link_sources(path: Path, sources: Sources | None, settings: Settings | None, digest: str = "") -> Provenance:
    """Return the provenance of a file that is made from others.

    Parameters
    ----------
    path
        The file.
    sources
        The files that it is made from and the digests of their values, as they were read.
    settings
        What else its values depend on; JSON values.
    digest
        Digest of its values.
    """
    made_from = {Path(os.path.relpath(source, path.parent)).as_posix(): of for source, of in (sources or {}).items()}
    return Provenance(
        digest or Provenance.digest, dict(sorted(made_from.items())), dict(settings or {}), path_in_run(path)
    )


def path_in_run(path: Path) -> str:
    """Return the path of a result file below the folder of its run; empty for other files."""
    for folder, count in RUN_FOLDERS.items():
        if path.parts[-count:][:1] == (folder,):
            return Path(*path.parts[-count:]).as_posix()
    return ""


def require_place(path: Path, provenance: Provenance) -> None:
    """Raise StaleFileError if a result file was written to another place of a run than where it is now."""
    found = path_in_run(path)
    if found and provenance.path and found != provenance.path:
        raise StaleFileError(
            f"{path}: found a file that was written as {provenance.path}, expected {found}. It was not used. {remake([path])}"
        )


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sign(data: bytes) -> bytes:
    """Return `data` with the digest of all its bytes in the place that `Provenance.to_json` reserved."""
    (start, end), digest = _signature(data), sha256(data)
    return data[:start] + digest.encode() + data[end:]


def require_signature(data: bytes, path: Path) -> None:
    """Raise DamagedFileError unless `data`, read from the file `path`, is what `sign` returned."""
    start, end = _signature(data)
    if start == end:
        raise damaged(path, NO_DIGEST)
    recorded = data[start:end].decode()
    found = sha256(data[:start] + UNSIGNED.encode() + data[end:])
    if found != recorded:
        raise damaged(path, f"found SHA-256 {found[:16]}, expected {recorded[:16]} as written in the file")


def _signature(data: bytes) -> tuple[int, int]:
    """Return where the last signature in `data` begins and ends; (0, 0) without one."""
    matches = list(SIGNATURE.finditer(data))
    return matches[-1].span(1) if matches else (0, 0)


def damaged(path: Path, found: str) -> DamagedFileError:
    """Return the error of a file that cannot be read as it was written."""
    run_dir = _run_dir(path) if found == NO_DIGEST else None
    old = (
        f" If the whole run is old: `rm -r {shlex.quote(str(run_dir))}`; its scores stay in the store."
        if run_dir
        else ""
    )
    return DamagedFileError(f"{path}: {found}. The file is damaged or old and was not used. {remake([path])}{old}")


def _run_dir(path: Path) -> Path | None:
    """Return the folder of the run that a result file belongs to; None for other files, whose folder may hold anything."""
    within = path_in_run(path)
    run_dir = path.parents[len(Path(within).parts) - 1] if within else Path()
    return run_dir if run_dir.name else None


def remake(paths: Iterable[Path]) -> str:
    """Return the advice how to make some files again."""
    names = list(dict.fromkeys(map(str, paths)))
    pronoun = "it is" if len(names) == 1 else "they are"
    return f"Type `rm {shlex.join(names)}` and re-run the same command: {pronoun} made again."


def describe(digest: str | None) -> str:
    """Return a digest as messages show it."""
    return "none" if digest is None else digest[:16]


def dump(value: dict[str, Any]) -> str:
    """Return a value as compact JSON, the same text for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
