"""Repositories of the Hugging Face hub at one commit: their lists of files, and files in the hub's own cache (HF_HOME).

Other programs find the files there, too. The lists of files are kept in `cache_dir()`, so that a list is requested once.
"""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import httpx2
from filelock import FileLock
from huggingface_hub import constants, get_hf_file_metadata, get_session, get_token, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import HfFileMetadata, repo_folder_name
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, but not in its __all__

from diffzero.download.cache_folder import sizes_in_folder
from diffzero.download.errors import (
    CHECK_COMMAND,
    AccessDeniedError,
    DownloadError,
    OfflineError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    format_bytes,
)
from diffzero.download.hashes import require_digest
from diffzero.download.http import RetryPolicy, require_space, retry, transfer, wrap_errors
from diffzero.utils.io import read_json, write_json

log = logging.getLogger(__name__)
NO_HUB = "Is HF_ENDPOINT a hub?"
MAX_PAGES = 1000  # of a thousand files each
ETAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}")
DIGEST_KINDS = {40: "git", 64: "sha256"}  # by the number of hexadecimal digits


def is_offline() -> bool:
    """Return whether the network may not be used (HF_HUB_OFFLINE=1, the hub's own variable)."""
    return constants.is_offline_mode()


def cache_dir() -> Path:
    """Return the folder of downloads that are not hub files, and of lists of hub files: DIFFZERO_CACHE or ~/.cache/diffzero."""
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("DIFFZERO_CACHE") or user_cache / "diffzero")


def accept_all(name: str) -> bool:
    """Return True for every file."""
    return True


@dataclass(frozen=True)
class HubRepo:
    """A repository at one commit. `str(repo)` names both in messages.

    Parameters
    ----------
    repo_id : str
        Owner and name, "owner/name".
    revision : str
        Commit, 40 hexadecimal digits.
    repo_type : str
        "model" or "dataset".
    """

    repo_id: str
    revision: str
    repo_type: Literal["model", "dataset"]

    def __str__(self) -> str:
        """Return the page and the start of the commit, as messages name a repository."""
        return f"{self.url} at {self.revision[:12]}"

    @property
    def url(self) -> str:
        """Page of the repository, where its licence is accepted."""
        return f"{constants.ENDPOINT}/{'datasets/' if self.repo_type == 'dataset' else ''}{self.repo_id}"

    @property
    def _folder_name(self) -> str:
        return repo_folder_name(repo_id=self.repo_id, repo_type=self.repo_type)

    @property
    def storage_dir(self) -> Path:
        """Folder of the repository in the hub's cache."""
        return Path(constants.HF_HUB_CACHE) / self._folder_name

    @property
    def snapshot_dir(self) -> Path:
        """Folder of this commit's files in the hub's cache."""
        return self.storage_dir / "snapshots" / self.revision

    @property
    def _listing(self) -> Path:
        return cache_dir() / "listings" / f"{self._folder_name}@{self.revision}.json"

    def cached_file_sizes(self) -> dict[str, int] | None:
        """Return the result of an earlier `file_sizes`, None if there is none. Makes no request."""
        return read_json(self._listing) if self._listing.is_file() else None

    def cached_file(self, name: str) -> Path | None:
        """Return a file in the hub's cache, None if it is not cached or has another size than listed. Makes no request."""
        path = try_to_load_from_cache(self.repo_id, name, revision=self.revision, repo_type=self.repo_type)
        if not isinstance(path, str):
            return None
        size = (self.cached_file_sizes() or {}).get(name)
        return Path(path) if size in (None, Path(path).stat().st_size) else None

    def file_sizes(
        self, wanted: Callable[[str], bool] = accept_all, retry_policy: RetryPolicy | None = None
    ) -> dict[str, int]:
        """Return the size in bytes of every file, by name, sorted.

        If the hub cannot be reached, the files in the hub's cache are listed instead, provided that no part of a `wanted` file is
        missing.

        Raises
        ------
        DownloadError
        """
        known = self.cached_file_sizes()
        if known is not None:
            return known
        if is_offline():
            if self.snapshot_dir.is_dir():
                return sizes_in_folder(self.snapshot_dir, wanted, f"{self}: HF_HUB_OFFLINE is set")
            raise OfflineError(
                f"{self}: its list of files is not in the cache {cache_dir()}, and HF_HUB_OFFLINE is set. {CHECK_COMMAND}"
            )
        retry_policy = retry_policy or RetryPolicy()
        try:
            with self._explain_errors(str(self)):
                sizes = retry(lambda: self._request_sizes(retry_policy.timeout), str(self), retry_policy)
        except TransientDownloadError as error:
            if not self.snapshot_dir.is_dir():
                raise
            log.warning("cannot reach %s: using the files in the cache %s", self, self.snapshot_dir)
            return sizes_in_folder(self.snapshot_dir, wanted, str(error))
        write_json(sizes, self._listing)
        return sizes

    def _request_sizes(self, timeout: float) -> dict[str, int]:
        """Request the list of files, page after page. HfApi is not used: it has no timeout and retries for half a minute."""
        url = f"{constants.ENDPOINT}/api/{self.repo_type}s/{self.repo_id}/tree/{self.revision}?recursive=true"
        sizes: dict[str, int] = {}
        seen: set[str] = set()
        while url:
            if url in seen or len(seen) >= MAX_PAGES:
                raise DownloadError(f"its list of files has no end after {len(seen)} pages. {NO_HUB}")
            seen.add(url)
            # A next page on another server must not receive the token.
            headers = build_hf_headers() if url.startswith(f"{constants.ENDPOINT}/") else {}
            with wrap_errors(timeout):
                response = get_session().get(url, headers=headers, timeout=timeout)
                response.raise_for_status()
            sizes |= _parse_page(response)
            url = response.links.get("next", {}).get("url", "")
        return dict(sorted(sizes.items()))

    def download_files(self, wanted: Callable[[str], bool], retry_policy: RetryPolicy | None = None) -> Path:
        """Download the wanted files and return the folder that holds them.

        Raises
        ------
        DownloadError
            DownloadSpaceError is raised before anything is downloaded if the disk is too small for all files.
        """
        sizes = self.file_sizes(wanted, retry_policy)
        names = [name for name in sizes if wanted(name)]
        if not names:
            raise RemoteFileNotFoundError(f"{self}: found none of the wanted files among {len(sizes)}")
        missing = [name for name in names if not self.cached_file(name)]
        if missing and is_offline():
            total = format_bytes(sum(sizes[name] for name in missing))
            raise OfflineError(
                f"{self}: {len(missing)} of {len(names)} files ({total}) are not in the cache {constants.HF_HUB_CACHE}, and "
                f"HF_HUB_OFFLINE is set: {', '.join(missing)}. {CHECK_COMMAND}"
            )
        self.require_space_for(sizes[name] for name in missing)
        for name in names:
            self.download_file(name, retry_policy)
        return self.snapshot_dir

    @staticmethod
    def require_space_for(sizes: Iterable[int]) -> None:
        """Raise DownloadSpaceError if the disk of the hub's cache is too small for files of these sizes."""
        if total := sum(sizes):
            Path(constants.HF_HUB_CACHE).mkdir(parents=True, exist_ok=True)
            require_space(Path(constants.HF_HUB_CACHE), total)

    def download_file(self, name: str, retry_policy: RetryPolicy | None = None) -> Path:
        """Return a file in the hub's cache. It is downloaded if it is missing, and resumed if a part of it exists.

        The file's digest is compared with the one that the hub states. A cached file causes no request.

        Raises
        ------
        DownloadError
            Names the repository, the file and what to do.
        """
        if path := self.cached_file(name):
            return path
        retry_policy, where = retry_policy or RetryPolicy(), f"{self}, {name}"
        if is_offline():
            raise OfflineError(
                f"{where}: not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set. {CHECK_COMMAND}"
            )
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise DownloadError(f"{where}: the file name leads outside the repository")
        with self._explain_errors(where):
            url = hf_hub_url(self.repo_id, name, repo_type=self.repo_type, revision=self.revision)
            blob = self._download_blob(url, name, where, retry_policy)
        pointer = self.snapshot_dir / name
        _link(blob, pointer)
        return pointer

    def _download_blob(self, url: str, name: str, where: str, retry_policy: RetryPolicy) -> Path:
        """Download a file to where the hub's cache keeps contents, named by ETag, and check it."""
        facts = retry(lambda: _request_metadata(url, retry_policy.timeout), where, retry_policy)
        etag = facts.etag or ""
        if facts.commit_hash != self.revision or not ETAG.fullmatch(etag):
            raise DownloadError(
                f"found commit {facts.commit_hash} and ETag {facts.etag}, expected {self.revision} and the file's digest. {NO_HUB}"
            )
        blob = self.storage_dir / "blobs" / etag
        part = blob.with_name(f"{etag}.diffzero.incomplete")
        blob.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(blob.with_name(f"{etag}.diffzero.lock")):
            if blob.exists() and blob.stat().st_size != facts.size:
                log.warning("%s: found %d bytes, expected %d; completing it", blob, blob.stat().st_size, facts.size)
                blob.replace(part)
            if not blob.exists():
                transfer(url, part, facts.size, build_hf_headers(), retry_policy)
                if kind := DIGEST_KINDS.get(len(etag)):
                    wrong = self.storage_dir / "wrong-digest" / name.replace("/", "--")
                    require_digest(part, f"{kind}:{etag}", wrong, where)
                part.replace(blob)
        return blob

    @contextmanager
    def _explain_errors(self, where: str) -> Iterator[None]:
        """Add `where` to a DownloadError and, if access is denied, how to get it."""
        try:
            yield
        except AccessDeniedError as error:
            token = "The token that was sent has no access" if get_token() else "No token was sent"
            raise AccessDeniedError(
                f"{where}: {error}. {token}. Accept the licence on {self.url} with your account, then set the variable HF_TOKEN to a "
                "token of that account with permission to read gated repositories."
            ) from None
        except RemoteFileNotFoundError as error:
            raise RemoteFileNotFoundError(f"{where}: {error}: no such repository, commit or file") from None
        except DownloadError as error:
            raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _request_metadata(url: str, timeout: float) -> HfFileMetadata:
    with wrap_errors(timeout):
        return get_hf_file_metadata(url, timeout=timeout)


def _parse_page(response: httpx2.Response) -> dict[str, int]:
    """Return the file sizes on one page of a list of files."""
    try:
        return {str(entry["path"]): int(entry["size"]) for entry in response.json() if entry["type"] == "file"}
    except (ValueError, TypeError, KeyError) as error:
        raise DownloadError(
            f"its list of files cannot be read ({type(error).__name__}), expected a JSON list of entries. {NO_HUB}"
        ) from None


def _link(blob: Path, pointer: Path) -> None:
    """Make `pointer` a relative link to `blob`, as the hub's cache does, or a copy on a disk without links."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    new = pointer.with_name(f".{pointer.name}.{secrets.token_hex(8)}")
    try:
        new.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        shutil.copyfile(blob, new)
    new.replace(pointer)
