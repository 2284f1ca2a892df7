"""HTTP transfers that resume, retry, and are bounded in time, rate and size.

All requests go through the HTTP client of huggingface_hub. Its own `hf_hub_download` is not used because it restarts an interrupted
file from zero in the next process, does not compare digests, and accepts a body of any length.
"""

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

from diffzero.download.errors import (
    AccessDeniedError,
    DownloadError,
    DownloadSpaceError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    format_bytes,
    redact_url,
)

T = TypeVar("T")
log = logging.getLogger(__name__)
DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
MORE_SPACE = (
    "Free some space, or set HF_HOME (hub files) or DIFFZERO_CACHE (other files) to a folder on a larger disk; "
    "downloaded parts are kept."
)
RETRYABLE_STATUS = (408, 429, 500, 502, 503, 504)
STATUS_ERRORS = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: RemoteFileNotFoundError,
    410: RemoteFileNotFoundError,
}
PROGRESS = 1 << 20  # bytes
MAX_PAUSE = 300.0  # seconds, even if a server requests a longer pause


@dataclass(frozen=True)
class RetryPolicy:
    """Limits after which a transfer is abandoned."""

    timeout: float = field(default_factory=lambda: float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or 30))
    """Seconds without a byte."""
    max_attempts: int = 5
    """Failures in a row. The count restarts after an attempt that received at least PROGRESS bytes."""
    pause: float = 1.0
    """Seconds before the second attempt, doubled before each further one."""
    min_bytes_per_second: float = 1024.0
    """Lowest rate over `window` seconds; a slower connection is replaced by a new one."""
    window: float = 60.0
    """Seconds."""


def retry(action: Callable[[], T], what: str, retry_policy: RetryPolicy, progress: Callable[[], int] = lambda: 0) -> T:
    """Return the result of `action`; repeat it after increasing pauses while it raises TransientDownloadError.

    Parameters
    ----------
    action : callable
        What to do.
    what : str
        Its name in the log and in errors.
    retry_policy : RetryPolicy
        When to give up.
    progress : callable
        Returns the number of bytes received so far.

    Raises
    ------
    TransientDownloadError
        After `retry_policy.max_attempts` failures in a row. Any other error is raised at once.
    """
    failures, best = 0, progress()
    while True:
        try:
            return action()
        except TransientDownloadError as error:
            # Compare with the most bytes ever received: a file that always breaks at the same byte must not be retried for ever.
            failures = 1 if progress() - best >= PROGRESS else failures + 1
            best = max(best, progress())
            if failures >= retry_policy.max_attempts:
                raise TransientDownloadError(f"{what}: {error}; given up after {failures} attempts in a row") from None
            pause = max(retry_policy.pause * 2 ** (failures - 1), error.retry_after)
            log.warning("%s: %s; attempt %d of %d in %g s", what, error, failures + 1, retry_policy.max_attempts, pause)
            time.sleep(pause)


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that the header Retry-After requests (as a number or a date), at most MAX_PAUSE; 0 without the header."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value) if value.isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), MAX_PAUSE)


def status_error(response: httpx2.Response) -> DownloadError:
    """Return the error for an HTTP status. It does not repeat the response's text, which may contain the token that was sent."""
    status = response.status_code
    if status in RETRYABLE_STATUS:
        return TransientDownloadError(f"HTTP {status}", parse_retry_after(response.headers))
    return STATUS_ERRORS.get(status, DownloadError)(f"HTTP {status}")


@contextmanager
def wrap_errors(timeout: float) -> Iterator[None]:
    """Raise the errors of httpx2 and huggingface_hub as DownloadErrors, without URLs and response texts."""
    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPStatusError) as error:
        raise status_error(error.response) from None
    except httpx2.TimeoutException:
        raise TransientDownloadError(f"no byte for {timeout:g} seconds") from None
    except httpx2.ConnectError:
        raise TransientDownloadError("no connection") from None
    except httpx2.HTTPError as error:
        raise TransientDownloadError(f"connection lost ({type(error).__name__})") from None


def transfer(url: str, part: Path, size: int | None, headers: Mapping[str, str], retry_policy: RetryPolicy) -> None:
    """Download `url` to the file `part`, continuing after the bytes that `part` has from an earlier transfer.

    The caller must compare digests, because a resumed file may consist of parts of two versions.

    Parameters
    ----------
    url : str
        What to download.
    part : Path
        Where the bytes go.
    size : int or None
        Number of bytes, if known.
    headers : mapping
        Request headers. A redirect to another host does not receive the header Authorization.
    retry_policy : RetryPolicy
        When to give up.

    Raises
    ------
    DownloadError
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    action = lambda: _receive(url, part, size, headers, retry_policy)  # noqa: E731
    retry(action, redact_url(url), retry_policy, lambda: _size(part))


def _receive(url: str, part: Path, size: int | None, headers: Mapping[str, str], retry_policy: RetryPolicy) -> None:
    """Make one attempt, from the end of `part`."""
    start = _size(part)
    if size is not None and start >= size > 0:
        if start == size:
            return
        part.unlink()  # the bytes belong to another file
        start = 0
    require_space(part.parent, (size or 0) - start)
    sent = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    timeout = retry_policy.timeout
    with (
        wrap_errors(timeout),
        get_session().stream("GET", url, headers=sent, timeout=timeout, follow_redirects=True) as response,
    ):
        start = _first_byte(response, start, part)
        length = response.headers.get("Content-Length")
        total = size if size is not None else start + int(length) if length else None
        require_space(part.parent, (total or 0) - start)
        _append(response.iter_raw(), part, start, total, retry_policy)
    if total is not None and _size(part) != total:
        raise TransientDownloadError(f"found {_size(part)} bytes, expected {total}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first_byte(response: httpx2.Response, start: int, part: Path) -> int:
    """Return the position of the body's first byte: `start`, or 0 if the server ignores ranges. Raises for any other response."""
    if response.status_code == 416:
        part.unlink(missing_ok=True)
        raise TransientDownloadError("the server has fewer bytes than were already downloaded; starting again")
    if response.status_code not in (200, 206):
        raise status_error(response)
    content_range = response.headers.get("Content-Range", "")
    if response.status_code == 206 and not content_range.startswith(f"bytes {start}-"):
        part.unlink(missing_ok=True)
        raise TransientDownloadError(f"the server did not send the range from byte {start}; starting again")
    return start if response.status_code == 206 else 0


def _append(pieces: Iterator[bytes], part: Path, start: int, total: int | None, retry_policy: RetryPolicy) -> None:
    """Write `pieces` after the first `start` bytes of `part`, each as it arrives, so that a killed process loses none.

    Raises DownloadError for more than `total` bytes, because a server that never stops would fill the disk.
    """
    begin, received, position = time.monotonic(), 0, start
    with part.open("r+b" if start else "wb", buffering=0) as file:  # unbuffered, so that this write reports a full disk
        file.seek(start)
        file.truncate()
        for piece in pieces:
            position += len(piece)
            if total is not None and position > total:
                file.truncate(0)
                raise DownloadError(f"found more than {total} bytes, expected {total}")
            _write(file, piece, part)
            received += len(piece)
            if (seconds := time.monotonic() - begin) >= retry_policy.window:
                if received < retry_policy.min_bytes_per_second * seconds:
                    raise TransientDownloadError(
                        f"{received / seconds:.0f} bytes per second, expected at least {retry_policy.min_bytes_per_second:.0f}"
                    )
                begin, received = time.monotonic(), 0
        os.fsync(file.fileno())


def _write(file: FileIO, piece: bytes, part: Path) -> None:
    """Write all bytes of `piece`; an unbuffered file may take fewer at once."""
    view = memoryview(piece)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DownloadSpaceError(f"{part.parent}: the disk is full ({error.strerror}). {MORE_SPACE}") from None
        raise


def require_space(target_dir: Path, needed: int) -> None:
    """Raise DownloadSpaceError if the disk of `target_dir` has fewer than `needed` free bytes."""
    free = shutil.disk_usage(target_dir).free
    if needed > free:
        raise DownloadSpaceError(
            f"{target_dir}: found {format_bytes(free)} free, expected {format_bytes(needed)}. {MORE_SPACE}"
        )
