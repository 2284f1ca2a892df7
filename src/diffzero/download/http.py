"""One HTTP transfer that survives cut, stalled and slow connections, knows its digest, and says when the disk is too small."""

import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

T = TypeVar("T")
LOG = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
PASSING = (408, 429, 500, 502, 503, 504)  # statuses of a server that may answer later
CHUNK = 1 << 20


class DownloadError(OSError):
    """A file that could not be had. `final`: asking the same server again would not help."""

    final = True


class Interrupted(DownloadError):
    """A transfer that broke off, stalled or crept: worth another attempt, which goes on where this one ended."""

    final = False

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after  # seconds that the server asks us to wait


class NotThere(DownloadError):
    """The server does not have it (404, 410)."""


class Refused(DownloadError):
    """The server has it, but not for everybody (401, 403)."""


class WrongDigest(DownloadError):
    """Bytes that are not those that were expected."""


class NoSpace(DownloadError):
    """The disk cannot hold it."""


class Offline(DownloadError):
    """It is not on this machine, and the network may not be used (HF_HUB_OFFLINE=1)."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    timeout: float = field(default_factory=lambda: float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 30))
    """Seconds without a byte."""
    attempts: int = 5
    """Failures in a row; one after which at least PROGRESS bytes had arrived counts as the first."""
    pause: float = 1.0
    """Seconds before the second attempt, doubled before each further one."""
    slowest: float = 1024.0
    """Bytes a second, over `window` seconds; a slower connection is closed and made anew."""
    window: float = 60.0


PROGRESS = 1 << 20
LONGEST_PAUSE = 300.0  # seconds, whatever a server asks for


def shown(url: str) -> str:
    """The address without what may be secret in it: user, password, signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def bytes_in_words(count: float) -> str:
    """12345678 -> 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def persistently(act: Callable[[], T], what: str, patience: Patience, progress: Callable[[], int] = lambda: 0) -> T:
    """What `act` returns, repeated with growing pauses while it raises Interrupted. `progress`: bytes that are there.

    Raises Interrupted after `patience.attempts` failures in a row, any other error at once.
    """
    failures, best = 0, progress()
    while True:
        try:
            return act()
        except Interrupted as error:
            # The most bytes so far, not those of this attempt: a file that always breaks at the same place is given up.
            failures = 1 if progress() - best >= PROGRESS else failures + 1
            best = max(best, progress())
            if failures >= patience.attempts:
                raise Interrupted(f"{what}: {error}; given up after {failures} attempts in a row") from None
            pause = max(patience.pause * 2 ** (failures - 1), error.after)
            LOG.warning("%s: %s; attempt %d of %d in %g s", what, error, failures + 1, patience.attempts, pause)
            time.sleep(pause)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a busy server's answer asks us to wait (as a number or a date), at most LONGEST_PAUSE; 0 where it asks for none."""
    told = headers.get("Retry-After", "").strip()
    try:
        seconds = float(told) if told.isdigit() else parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def transfer(url: str, part: Path, size: int | None, headers: Mapping[str, str], patience: Patience) -> None:
    """`part` holds the body of `url` then; what it held before (an earlier, broken transfer) is not fetched again.

    `size`: of the whole body in bytes, where it is known. Raises a DownloadError. The caller compares digests: a resumed file
    may be of two versions.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    persistently(lambda: _receive(url, part, size, headers, patience), shown(url), patience, lambda: length(part))


def length(path: Path) -> int:
    """Bytes in a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: Path, size: int | None, headers: Mapping[str, str], patience: Patience) -> None:
    """One attempt, from where `part` ends."""
    have = length(part)
    if size is not None and have >= size > 0:
        if have == size:
            return
        part.unlink()  # of another file
        have = 0
    require_space(part.parent, (size or 0) - have)
    wanted = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        # An `auth` of its own, as requests would else put a password from ~/.netrc in the place of our header.
        with requests.get(url, headers=wanted, stream=True, timeout=patience.timeout, auth=lambda r: r) as response:
            have = _start(response, have, part)
            told = response.headers.get("Content-Length")
            total = size if size is not None else have + int(told) if told else None
            if size is None:
                require_space(part.parent, (total or 0) - have)
            _write(response.raw, part, have, total, patience)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(_in_words(error, patience)) from None
    if total is not None and length(part) != total:
        raise Interrupted(f"found {length(part)} bytes, expected {total}")


def _start(response: requests.Response, have: int, part: Path) -> int:
    """Where the answer starts: at `have`, or at 0 where the server knows no ranges. Raises for an answer without the file."""
    status = response.status_code
    if status in (401, 403):
        raise Refused(f"HTTP {status}")
    if status in (404, 410):
        raise NotThere(f"HTTP {status}")
    if status == 416:
        part.unlink(missing_ok=True)
        raise Interrupted("the server has fewer bytes than were there; starting anew")
    if status in PASSING:
        raise Interrupted(f"HTTP {status}", retry_after(response.headers))
    if status not in (200, 206):
        raise DownloadError(f"HTTP {status}")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        part.unlink(missing_ok=True)
        raise Interrupted(f"the server sent another range than from byte {have}; starting anew")
    return have if status == 206 else 0


def _write(stream: urllib3.HTTPResponse, part: Path, have: int, total: int | None, patience: Patience) -> None:
    """The stream's bytes at the end of the first `have` bytes of `part`, each piece as it arrives: a kill loses none.

    Raises DownloadError for more than `total` bytes in all: a server that goes on and on would fill the disk.
    """
    start, got, left = time.monotonic(), 0, None if total is None else total - have
    # Unbuffered, so that a full disk shows at the write and what arrived is there whatever comes next.
    with part.open("r+b" if have else "wb", buffering=0) as file:
        file.seek(have)
        file.truncate()
        while piece := stream.read1(CHUNK):
            if left is not None and (left := left - len(piece)) < 0:
                file.truncate(0)
                raise DownloadError(f"found more than {total} bytes, expected {total}")
            view = memoryview(piece)
            try:
                while view:
                    view = view[file.write(view) :]
            except OSError as error:
                if error.errno in FULL:
                    raise NoSpace(f"{part.parent}: the disk is full ({error.strerror}). {MORE_SPACE}") from None
                raise
            got += len(piece)
            if (passed := time.monotonic() - start) >= patience.window:
                if got < patience.slowest * passed:
                    raise Interrupted(f"{got / passed:.0f} bytes a second, expected at least {patience.slowest:.0f}")
                start, got = time.monotonic(), 0
        os.fsync(file.fileno())


def _in_words(error: Exception, patience: Patience) -> str:
    """A network error without its addresses and memory locations."""
    text = str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or "timed out" in text:
        return f"no byte for {patience.timeout:g} seconds"
    if isinstance(error, requests.ConnectionError) and "Failed to establish" in text or "resolve" in text:
        return "no connection"
    return f"connection lost ({type(error).__name__})"


MORE_SPACE = (
    "Make room, or let HF_HOME (hub) and DIFFZERO_CACHE (other files) point to a larger disk; what is there is kept."
)


def require_space(folder: Path, needed: int) -> None:
    """Raise NoSpace where the disk of `folder` has fewer than `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoSpace(f"{folder}: needs {bytes_in_words(needed)}, found {bytes_in_words(free)} free. {MORE_SPACE}")


def digests(path: Path, expected: str) -> set[str]:
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
    """Raise WrongDigest where a transferred file is not the expected one; it is then kept as `aside`, never used."""
    found = digests(part, expected)
    if expected in found:
        return
    shortened = sorted(found)[0]
    kept = aside.with_name(f"{aside.name}.wrong-digest-{shortened.partition(':')[2][:12]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    part.replace(kept)
    raise WrongDigest(
        f"{name}: found {shortened}, expected {expected}. The file is not used; it was kept as {kept}. Delete it and try again, "
        "or look at it: a proxy's error page, or another version of the file."
    )
