"""Digests of downloaded files."""

import hashlib
from pathlib import Path

from diffzero.download.errors import HashMismatchError


def file_digests(path: Path, kind: str) -> set[str]:
    """Return the digests of a file, each written "kind:hexadecimal".

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        "sha256", "md5" or "git". The hub identifies small files by "git": git's name of the content, or on some mirrors the plain
        SHA-1. Both are returned.
    """
    if kind != "git":
        with path.open("rb") as file:
            return {f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"}
    data = path.read_bytes()
    blob = b"blob %d\0" % len(data) + data
    return {f"git:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}" for content in (blob, data)}


def has_digest(path: Path, expected: str) -> bool:
    """Return whether the digest of a file is `expected`, e.g. "sha256:..."."""
    return expected in file_digests(path, expected.partition(":")[0])


def require_digest(part: Path, expected: str, path: Path, where: str) -> None:
    """Check the digest of a downloaded file; a wrong file is moved away from where it could be used.

    Parameters
    ----------
    part : Path
        The downloaded file.
    expected : str
        Its digest, e.g. "sha256:...".
    path : Path
        Final path of the file; a wrong file is kept beside it, as `PATH.wrong-digest-FOUND`.
    where : str
        Where the file comes from, for the message.

    Raises
    ------
    HashMismatchError
    """
    if has_digest(part, expected):
        return
    found = min(file_digests(part, expected.partition(":")[0]))
    kept = path.with_name(f"{path.name}.wrong-digest-{found.partition(':')[2][:12]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    part.replace(kept)
    raise HashMismatchError(
        f"{where}: found {found}, expected {expected}. The file is not used and was kept as {kept}. It may be a proxy's error page "
        "or another version of the file: inspect it, delete it and re-run the same command."
    )
