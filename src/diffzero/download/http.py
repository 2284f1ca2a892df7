"""One HTTP transfer that survives cut, stalled and slow connections, knows its digest, and says when the disk is too small."""

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

import requests
import urllib3

from diffzero.download.errors import (
    MORE_SPACE,
    AccessDeniedError,
    DiskFullError,
    DownloadError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    redact_url,
    require_space,
)

T = TypeVar("T")
LOG = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
RETRYABLE_STATUS = (408, 429, 500, 502, 503, 504)  # statuses of a server that may answer later
CHUNK = 1 << 20


@dataclass(frozen=True)
class RetryPolicy:
    """How long a server is waited for."""

    timeout: float = field(default_factory=lambda: float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 30))
    """Seconds without a byte."""
    max_attempts: int = 5
    """Failures in a row; one after which at least PROGRESS bytes had arrived counts as the first."""
    pause: float = 1.0
    """Seconds before the second attempt, doubled before each further one."""
    min_bytes_per_second: float = 1024.0
    """Bytes a second, over `window` seconds; a slower connection is closed and made anew."""
    window: float = 60.0


PROGRESS = 1 << 20
MAX_PAUSE = 300.0  # seconds, whatever a server asks for


def retry(act: Callable[[], T], what: str, retry_policy: RetryPolicy, progress: Callable[[], int] = lambda: 0) -> T:
    """What `act` returns, repeated with growing pauses while it raises TransientDownloadError. `progress`: bytes that are there.

    Raises TransientDownloadError after `retry_policy.max_attempts` failures in a row, any other error at once.
    """
    failures, best = 0, progress()
    while True:
        try:
            return act()
        except TransientDownloadError as error:
            # The most bytes so far, not those of this attempt: a file that always breaks at the same place is given up.
            failures = 1 if progress() - best >= PROGRESS else failures + 1
            best = max(best, progress())
            if failures >= retry_policy.max_attempts:
                raise TransientDownloadError(f"{what}: {error}; given up after {failures} attempts in a row") from None
            pause = max(retry_policy.pause * 2 ** (failures - 1), error.after)
            LOG.warning("%s: %s; attempt %d of %d in %g s", what, error, failures + 1, retry_policy.max_attempts, pause)
            time.sleep(pause)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a busy server's answer asks us to wait (as a number or a date), at most MAX_PAUSE; 0 where it asks for none."""
    told = headers.get("Retry-After", "").strip()
    try:
        seconds = float(told) if told.isdigit() else parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), MAX_PAUSE)


def transfer(url: str, part: Path, size: int | None, headers: Mapping[str, str], retry_policy: RetryPolicy) -> None:
    """`part` holds the body of `url` then; what it held before (an earlier, broken transfer) is not fetched again.

    `size`: of the whole body in bytes, where it is known. Raises a DownloadError. The caller compares digests: a resumed file
    may be of two versions.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    retry(lambda: _receive(url, part, size, headers, retry_policy), redact_url(url), retry_policy, lambda: length(part))


def length(path: Path) -> int:
    """Bytes in a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: Path, size: int | None, headers: Mapping[str, str], retry_policy: RetryPolicy) -> None:
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
        with requests.get(url, headers=wanted, stream=True, timeout=retry_policy.timeout, auth=lambda r: r) as response:
            have = _start(response, have, part)
            told = response.headers.get("Content-Length")
            total = size if size is not None else have + int(told) if told else None
            if size is None:
                require_space(part.parent, (total or 0) - have)
            _write(response.raw, part, have, total, retry_policy)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TransientDownloadError(describe_error(error, retry_policy)) from None
    if total is not None and length(part) != total:
        raise TransientDownloadError(f"found {length(part)} bytes, expected {total}")


def _start(response: requests.Response, have: int, part: Path) -> int:
    """Where the answer starts: at `have`, or at 0 where the server knows no ranges. Raises for an answer without the file."""
    status = response.status_code
    if status in (401, 403):
        raise AccessDeniedError(f"HTTP {status}")
    if status in (404, 410):
        raise RemoteFileNotFoundError(f"HTTP {status}")
    if status == 416:
        part.unlink(missing_ok=True)
        raise TransientDownloadError("the server has fewer bytes than were there; starting anew")
    if status in RETRYABLE_STATUS:
        raise TransientDownloadError(f"HTTP {status}", retry_after(response.headers))
    if status not in (200, 206):
        raise DownloadError(f"HTTP {status}")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        part.unlink(missing_ok=True)
        raise TransientDownloadError(f"the server sent another range than from byte {have}; starting anew")
    return have if status == 206 else 0


def _write(stream: urllib3.HTTPResponse, part: Path, have: int, total: int | None, retry_policy: RetryPolicy) -> None:
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
                    raise DiskFullError(f"{part.parent}: the disk is full ({error.strerror}). {MORE_SPACE}") from None
                raise
            got += len(piece)
            if (passed := time.monotonic() - start) >= retry_policy.window:
                if got < retry_policy.min_bytes_per_second * passed:
                    raise TransientDownloadError(
                        f"{got / passed:.0f} bytes a second, expected at least {retry_policy.min_bytes_per_second:.0f}"
                    )
                start, got = time.monotonic(), 0
        os.fsync(file.fileno())


def describe_error(error: Exception, retry_policy: RetryPolicy) -> str:
    """A network error without its addresses and memory locations."""
    text = str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or "timed out" in text:
        return f"no byte for {retry_policy.timeout:g} seconds"
    if isinstance(error, requests.ConnectionError) and "Failed to establish" in text or "resolve" in text:
        return "no connection"
    return f"connection lost ({type(error).__name__})"
