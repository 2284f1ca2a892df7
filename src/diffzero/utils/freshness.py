"""Compare what result files say they were made from with the files that are there now.

Snakemake decides by time stamps, which a restored backup, a clock that was set back or the clocks of two machines make wrong.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from diffzero.utils.provenance import Provenance, StaleFileError, describe, path_in_run, remake
from diffzero.utils.result_files import digests_of, read_provenance


class Mismatch(NamedTuple):
    """A file that was made from another version of one of its sources."""

    chain: tuple[Path, ...]  # the file that is read, what it was made from, and so on up to the stale file
    source: Path
    recorded: str
    found: str


def require_fresh(paths: Iterable[Path | str], despite_times: bool = False) -> None:
    """Raise StaleFileError if a result file, or one that it was made from, was made from other files than those that are there now.

    Sources that no longer exist are not compared: nothing contradicts the file.

    Parameters
    ----------
    paths
        The result files.
    despite_times
        Whether to report only files that are not older than the source that differs: Snakemake would not make them again.
    """
    known: dict[Path, Provenance] = {}
    mismatches = [found for path in paths for found in _mismatches((Path(path),), known)]
    if despite_times:
        mismatches = [found for found in mismatches if not _is_made_again(found, known)]
    if mismatches:
        chain, source, recorded, found = mismatches[0]
        others = f" ({len(mismatches)} such files)" if len(mismatches) > 1 else ""
        raise StaleFileError(
            f"{chain[-1]}: made from {source} with digest {describe(recorded)}, found there now {describe(found)}{others}. It was not "
            f"used. {remake(path for mismatch in mismatches for path in reversed(mismatch.chain))}"
        )


def _is_made_again(found: Mismatch, known: Mapping[Path, Provenance]) -> bool:
    """Return whether Snakemake makes a stale file again: it is older than its source.

    A newer record of weights alone is no reason to score or sample again, but new latents are. Samples have none, and a failed job may
    have lost those of scores, or the scores of predictions.
    """
    path = found.chain[-1]
    is_older = path.stat().st_mtime_ns < found.source.stat().st_mtime_ns
    if not path_in_run(found.source).startswith("weights/"):
        return is_older
    return is_older and not (path_in_run(path).startswith("samples/") or _lacks_a_source(path, known))


def _lacks_a_source(path: Path, known: Mapping[Path, Provenance]) -> bool:
    """Return whether something that a file was made from, directly or not, no longer exists."""
    sources = [Path(os.path.normpath(path.parent / name)) for name in known[path].made_from]
    return any(source not in known or _lacks_a_source(source, known) for source in sources)


def fresh_digests(paths: Iterable[Path | str]) -> dict[Path, str]:
    """Return the digests of result files, as `sources` of a file that is made from them, after `require_fresh`."""
    digests = digests_of(paths)
    require_fresh(digests)
    return digests


def _mismatches(chain: tuple[Path, ...], known: dict[Path, Provenance]) -> Iterator[Mismatch]:
    """Yield the stale files among the last of the chain and everything that it was made from, each once."""
    path = chain[-1]
    if path in known:
        return
    known[path] = read_provenance(path)
    for name, recorded in known[path].made_from.items():
        source = Path(os.path.normpath(path.parent / name))
        if not source.is_file():
            continue
        yield from _mismatches((*chain, source), known)
        if known[source].digest != recorded:
            yield Mismatch(chain, source, recorded, known[source].digest)


def require_made_from(path: Path, provenance: Provenance, sources: Mapping[Path, str]) -> None:
    """Raise StaleFileError unless a file was made from these sources.

    Parameters
    ----------
    path, provenance
        The file and what it says.
    sources
        The files that it must have been made from, and the digests of their values.
    """
    for source, digest in sources.items():
        if digest not in provenance.made_from.values():
            recorded = ", ".join(f"{name} {describe(of)}" for name, of in provenance.made_from.items()) or "nothing"
            raise StaleFileError(
                f"{path}: expected a file made from {source} with digest {describe(digest)}, found one made from {recorded}. It was not "
                f"used. {remake([path])}"
            )


def require_settings(path: Path, provenance: Provenance, expected: Mapping[str, Any]) -> None:
    """Raise StaleFileError unless a file states these settings: it may be a copy of another file, or of another version."""
    for name, value in expected.items():
        found = provenance.settings.get(name)
        if found != value:
            raise StaleFileError(
                f"{path}: found {name} {found!r}, expected {value!r}: the file belongs to something else or another version wrote it. "
                f"It was not used. {remake([path])}"
            )
