"""Digests of downloaded files."""

import hashlib
from pathlib import Path

from diffzero.download.errors import HashMismatchError


def file_digests(path: Path, expected: str) -> set[str]:
    """What a file's digest may be called: of the kind of `expected`, "sha256:...", "md5:..." or "git:..." (40 digits).

    "git:" is what the hub calls its small files by: git's name of the content, or on some mirrors plain SHA-1.
    """
    kind = expected.partition(":")[0]
    if kind != "git":
        with path.open("rb") as file:
            return {f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"}
    data = path.read_bytes()
    framed = b"blob %d\0" % len(data) + data
    return {f"git:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}" for content in (framed, data)}


def require_digest(part: Path, expected: str, aside: Path, name: str) -> None:
    """Raise HashMismatchError where a transferred file is not the expected one; it is then kept as `aside`, never used."""
    found = file_digests(part, expected)
    if expected in found:
        return
    shortened = sorted(found)[0]
    kept = aside.with_name(f"{aside.name}.wrong-digest-{shortened.partition(':')[2][:12]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    part.replace(kept)
    raise HashMismatchError(
        f"{name}: found {shortened}, expected {expected}. The file is not used; it was kept as {kept}. Delete it and try again, "
        "or look at it: a proxy's error page, or another version of the file."
    )
