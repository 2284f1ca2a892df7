"""Files from plain URLs: resumed, verified and kept in `cache_dir()`."""

import hashlib
import logging
import os
from pathlib import Path

from filelock import FileLock
from huggingface_hub import get_session

from diffzero.download.errors import (
    CHECK_COMMAND,
    AccessDeniedError,
    DownloadError,
    OfflineError,
    RemoteFileNotFoundError,
    redact_url,
)
from diffzero.download.hashes import has_digest, require_digest
from diffzero.download.http import RetryPolicy, transfer, wrap_errors
from diffzero.download.hub import cache_dir, is_offline
from diffzero.utils.io import sha256_of

log = logging.getLogger(__name__)


def url_cache_path(url: str, name: str, digest: str | None) -> Path:
    """Return the path at which `download_url` stores a file."""
    kind, _, value = (digest or f"url:{hashlib.sha256(url.encode()).hexdigest()}").partition(":")
    if kind not in ("sha256", "md5", "url") or Path(name).name != name:
        raise ValueError(
            f"found name {name!r} and digest {digest!r}, expected a name without folder and sha256:... or md5:..."
        )
    return cache_dir() / "files" / f"{kind}-{value[:16]}" / name


def url_size(url: str, timeout: float) -> int | None:
    """Return the size in bytes of the file at `url`, None if the server does not state it. Raises DownloadError."""
    try:
        with wrap_errors(timeout):
            headers = {"Accept-Encoding": "identity"}
            response = get_session().head(url, timeout=timeout, follow_redirects=True, headers=headers)
            if response.status_code != 405:  # a server that does not support HEAD may still have the file
                response.raise_for_status()
    except DownloadError as error:
        raise type(error)(f"{redact_url(url)}: {error}") from None
    length = response.headers.get("Content-Length")
    return int(length) if length and response.is_success else None


def download_url(url: str, name: str, digest: str | None, retry_policy: RetryPolicy | None = None) -> Path:
    """Return the file at `url` in the cache; it is downloaded if it is not cached.

    Parameters
    ----------
    url : str
        What to download.
    name : str
        Name of the file in the cache.
    digest : str or None
        "sha256:..." or "md5:..."; None if none has been published: then the SHA-256 of the file is written to the log.
    retry_policy : RetryPolicy, optional
        When to give up.

    Raises
    ------
    DownloadError
    """
    path = url_cache_path(url, name, digest)
    if is_offline():
        if _is_valid(path, digest):
            return path
        found = "another file than expected" if path.is_file() else "nothing"
        raise OfflineError(
            f"{redact_url(url)}: found {found} in the cache as {path}, and HF_HUB_OFFLINE is set. {CHECK_COMMAND}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{name}.lock")):
        if not _is_valid(path, digest):
            _download(url, path, digest, retry_policy or RetryPolicy())
    return path


def _is_valid(path: Path, digest: str | None) -> bool:
    return path.is_file() and (digest is None or has_digest(path, digest))


def _download(url: str, path: Path, digest: str | None, retry_policy: RetryPolicy) -> None:
    part, where = path.with_name(f".{path.name}.part"), redact_url(url)
    try:
        transfer(url, part, None, {}, retry_policy)
    except (AccessDeniedError, RemoteFileNotFoundError) as error:
        raise type(error)(f"{where}: {error}. Download {path.name} by hand and put it at {path}") from None
    except DownloadError as error:
        raise type(error)(str(error) if where in str(error) else f"{where}: {error}") from None
    if digest:
        require_digest(part, digest, path, where)
    else:
        log.warning("%s: no digest is known; found sha256:%s", where, sha256_of(part))
    os.replace(part, path)
