"""Files from plain URLs: resumed, verified, kept in DIFFZERO_CACHE and found again without a network."""

import hashlib
import logging
import os
from pathlib import Path

import pooch
import requests
from filelock import FileLock

from diffzero.download.errors import AccessDeniedError, DownloadError, OfflineError, RemoteFileNotFoundError, redact_url
from diffzero.download.hashes import file_digests, require_digest
from diffzero.download.http import RetryPolicy, transfer
from diffzero.download.hub import CHECK, cache_dir, is_offline, wrap_errors
from diffzero.utils.io import sha256_of

LOG = logging.getLogger(__name__)


def url_cache_path(url: str, name: str, digest: str | None) -> Path:
    """Where download_url puts a file."""
    kind, _, value = (digest or f"address:{hashlib.sha256(url.encode()).hexdigest()}").partition(":")
    if kind not in ("sha256", "md5", "address") or Path(name).name != name:
        raise ValueError(f"found name {name!r} and digest {digest!r}, expected a plain name and sha256:... or md5:...")
    return cache_dir() / "files" / f"{kind}-{value[:16]}" / name


def url_size(url: str, timeout: float) -> int | None:
    """Bytes of the file at `url`, None where the server does not tell. Raises DownloadError."""
    where = redact_url(url)

    def ask() -> int | None:
        answer = requests.head(url, timeout=timeout, allow_redirects=True, headers={"Accept-Encoding": "identity"})
        if answer.status_code != 405:  # a server that knows no HEAD may yet have the file
            answer.raise_for_status()
        told = answer.headers.get("Content-Length")
        return int(told) if told and answer.ok else None

    try:
        return wrap_errors(ask)
    except DownloadError as error:
        raise type(error)(f"{where}: {error}") from None


def download_url(url: str, name: str, digest: str | None, *, retry_policy: RetryPolicy | None = None) -> Path:
    """The file at `url` with this digest ("sha256:..." or "md5:..."), in the cache under `name`. Raises DownloadError.

    No digest: for files whose authors published none; what came is used, and its SHA-256 written to the log.
    """
    path, retry_policy = url_cache_path(url, name, digest), retry_policy or RetryPolicy()
    if is_offline():
        if path.is_file() and (not digest or digest in file_digests(path, digest)):
            return path
        found = "another file than expected" if path.is_file() else "nothing"
        raise OfflineError(
            f"{redact_url(url)}: found {found} in the cache as {path}, and HF_HUB_OFFLINE is set. {CHECK}"
        )

    def fetch(url: str, output: str, _: object) -> None:
        part = path.with_name(f".{name}.part")
        try:
            transfer(url, part, None, {}, retry_policy)
        except (AccessDeniedError, RemoteFileNotFoundError) as error:
            raise type(error)(f"{redact_url(url)}: {error}. Download {name} by hand and put it at {path}") from None
        except DownloadError as error:
            raise type(error)(str(error) if redact_url(url) in str(error) else f"{redact_url(url)}: {error}") from None
        if digest:
            require_digest(part, digest, path, redact_url(url))
        else:
            LOG.warning("%s: no digest is known; found sha256:%s", redact_url(url), sha256_of(part))
        os.replace(part, output)

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{name}.lock")):
        return Path(pooch.retrieve(url, known_hash=digest, fname=name, path=path.parent, downloader=fetch))
