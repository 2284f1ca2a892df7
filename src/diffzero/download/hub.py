"""The model and data hub: which files a repository holds, asked with retry_policy, answered from the cache where that is known."""

import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import httpx2
import pooch
import requests
from filelock import FileLock
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_token

from diffzero.download.errors import (
    AccessDeniedError,
    DownloadError,
    OfflineError,
    RemoteFileNotFoundError,
    TransientDownloadError,
    format_bytes,
    require_space,
)
from diffzero.download.hashes import require_digest
from diffzero.download.http import RETRYABLE_STATUS, RetryPolicy, retry, retry_after, transfer
from diffzero.utils.io import read_json, write_json

T = TypeVar("T")
LOG = logging.getLogger(__name__)
CHECK = "`snakemake --cores 1 check` lists everything that is missing."
MOST_PAGES = 1000  # of a thousand files each
# `test-00000-of-00003.parquet` and its like count from 0, `model-00001-of-00002.safetensors` from 1.
NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[^/]+)")
INDEX = ".safetensors.index.json"


def is_offline() -> bool:
    """Whether the network may not be used: HF_HUB_OFFLINE=1, the hub's own switch."""
    return constants.is_offline_mode()


def cache_dir() -> Path:
    """The folder of files that are not the hub's."""
    return Path(os.environ.get("DIFFZERO_CACHE") or pooch.os_cache("diffzero"))


def repo_url(repo: str, repo_type: str) -> str:
    """The page of a repository, where its licence is accepted."""
    return f"{constants.ENDPOINT}/{'datasets/' if repo_type == 'dataset' else ''}{repo}"


def repo_cache_dir(repo: str, repo_type: str) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type)


def _sizes_in(snapshot: Path) -> dict[str, int]:
    """Sizes of the files of a cached repository, which may be a part of it."""
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    return {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}


def accept_all(name: str) -> bool:
    """True: all files are wanted."""
    return True


def list_hub_files(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool] = accept_all,
    *,
    repo_type: str = "dataset",
    retry_policy: RetryPolicy | None = None,
) -> list[str]:
    """The names of all files of a repository at a commit. Raises DownloadError. Remembered: asked for once."""
    return list(hub_file_sizes(repo, revision, wanted, repo_type=repo_type, retry_policy=retry_policy))


def _listing(repo: str, revision: str, repo_type: str) -> Path:
    return cache_dir() / "listings" / f"{repo_folder_name(repo_id=repo, repo_type=repo_type)}@{revision}.json"


def cached_file_sizes(repo: str, revision: str, *, repo_type: str = "dataset") -> dict[str, int] | None:
    """What hub_file_sizes has once told, None where it was never asked. No request."""
    path = _listing(repo, revision, repo_type)
    return read_json(path) if path.is_file() else None


def hub_file_sizes(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool] = accept_all,
    *,
    repo_type: str = "dataset",
    retry_policy: RetryPolicy | None = None,
) -> dict[str, int]:
    """The size in bytes of every file of a repository at a commit, by name, sorted. Raises DownloadError.

    Where nobody can be asked: of what another program left in the cache, if the `wanted` files among it do not name others.
    """
    known = cached_file_sizes(repo, revision, repo_type=repo_type)
    if known is not None:
        return known
    where, retry_policy = f"{repo_url(repo, repo_type)} at {revision[:12]}", retry_policy or RetryPolicy()
    snapshot = repo_cache_dir(repo, repo_type) / "snapshots" / revision
    if is_offline():
        if snapshot.is_dir():
            return _sizes_in(snapshot, wanted, f"{where}: HF_HUB_OFFLINE is set")
        raise OfflineError(
            f"{where}: its list of files is not in the cache {cache_dir()}, and HF_HUB_OFFLINE is set. {CHECK}"
        )
    try:
        ask = lambda: _tree(repo, revision, repo_type, retry_policy.timeout)  # noqa: E731
        sizes = call_hub(ask, repo, repo_type, where, retry_policy)
    except TransientDownloadError as error:
        if not snapshot.is_dir():
            raise
        LOG.warning("%s cannot be asked: taking what another program left in %s", where, snapshot)
        return _sizes_in(snapshot, wanted, str(error))
    write_json(sizes, _listing(repo, revision, repo_type))
    return sizes


def _tree(repo: str, revision: str, repo_type: str, timeout: float) -> dict[str, int]:
    """The size of every file in a repository's tree, page after page. Not HfApi's: it repeats for minutes where nothing listens."""
    url = f"{constants.ENDPOINT}/api/{repo_type}s/{repo}/tree/{revision}?recursive=true"
    sizes: dict[str, int] = {}
    seen: set[str] = set()
    while url:
        if url in seen or len(seen) >= MOST_PAGES:
            raise DownloadError(f"its list of files has no end after {len(seen)} pages. Is HF_ENDPOINT a hub?")
        seen.add(url)
        # A next page at another address is not sent our token.
        headers = build_hf_headers() if url.startswith(f"{constants.ENDPOINT}/") else {}
        response = requests.get(url, headers=headers, timeout=timeout, auth=lambda request: request)
        response.raise_for_status()
        sizes |= _page(response)
        url = response.links.get("next", {}).get("url")
    return dict(sorted(sizes.items()))


def _page(response: requests.Response) -> dict[str, int]:
    """The files of one page of a tree. Raises DownloadError for anything that is no list of entries."""
    try:
        return {str(entry["path"]): int(entry["size"]) for entry in response.json() if entry["type"] == "file"}
    except (ValueError, TypeError, KeyError) as error:
        raise DownloadError(
            f"its list of files cannot be read ({type(error).__name__}), expected a list of entries as JSON. Is HF_ENDPOINT a hub?"
        ) from None


def _sizes_in(snapshot: Path, wanted: Callable[[str], bool], why: str) -> dict[str, int]:
    """Sizes of the files of a cached repository. Raises OfflineError where the wanted ones name others that are not there."""
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    sizes = {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}
    if lacking := missing_parts(filter(wanted, sizes), snapshot):
        raise OfflineError(
            f"{why}, and of the cached {snapshot} {len(lacking)} files are lacking: {', '.join(lacking)}. {CHECK}"
        )
    return sizes


def missing_parts(names: Iterable[str], folder: Path) -> list[str]:
    """Files that those in `folder` of these names speak of, and that are not among them: other parts of a split or of sharded weights."""
    present = set(names)
    named: set[str] = set()
    for name in present:
        if part := NUMBERED.fullmatch(name):
            first = int(part["suffix"] == ".safetensors")
            count = int(part["count"])
            named |= {f"{part['stem']}-{k:05d}-of-{part['count']}{part['suffix']}" for k in range(first, first + count)}
        if name.endswith(INDEX) and "." not in PurePosixPath(name).name.removesuffix(INDEX):
            files = set(read_json(folder / name)["weight_map"].values())
            named |= {(PurePosixPath(name).parent / file).as_posix() for file in files}
    return sorted(named - present)


def call_hub(ask: Callable[[], T], repo: str, repo_type: str, where: str, retry_policy: RetryPolicy) -> T:
    """The hub library's answer, its errors as ours, repeated while the server may answer later."""
    return with_context(lambda: retry(lambda: wrap_errors(ask), where, retry_policy), repo, repo_type, where)


def wrap_errors(ask: Callable[[], T]) -> T:
    """What the hub's library answers; its many kinds of errors as DownloadErrors."""
    try:
        return ask()
    except DownloadError:
        raise
    except (HfHubHTTPError, requests.HTTPError) as error:  # not their text: a server may repeat what it was sent
        status = error.response.status_code
        if status in RETRYABLE_STATUS:
            raise TransientDownloadError(f"HTTP {status}", retry_after(error.response.headers)) from None
        kind = (
            AccessDeniedError
            if status in (401, 403)
            else RemoteFileNotFoundError
            if status in (404, 410)
            else DownloadError
        )
        raise kind(f"HTTP {status}") from None
    except (httpx2.TimeoutException, requests.Timeout):
        raise TransientDownloadError("no answer in time") from None
    except (httpx2.HTTPError, OSError) as error:
        raise TransientDownloadError(f"no connection ({type(error).__name__})") from None


def with_context(act: Callable[[], T], repo: str, repo_type: str, where: str) -> T:
    """What `act` returns; its DownloadErrors with the repository and the way out."""
    try:
        return act()
    except AccessDeniedError as error:
        sent = "The token that was sent does not open it" if get_token() else "No token was sent"
        raise AccessDeniedError(
            f"{where}: {error}. {sent}. Accept the licence on {repo_url(repo, repo_type)} with your account, then set the variable "
            "HF_TOKEN to a token of that account that may read gated repositories."
        ) from None
    except RemoteFileNotFoundError as error:
        raise RemoteFileNotFoundError(f"{where}: {error}: no such repository, commit or file there any more") from None
    except DownloadError as error:
        raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def download_hub_file(
    repo: str, revision: str, name: str, *, repo_type: str = "dataset", retry_policy: RetryPolicy | None = None
) -> Path:
    """A file of a repository at a commit, in the hub's cache; downloaded where it is not there, resumed where part of it is.

    Every file is compared with the digest by which the hub knows it. Raises a
    DownloadError, whose subclasses name the repository and what to do. A cached file costs no request.
    """
    found = _cached(repo, revision, name, repo_type)
    if found:
        return found
    retry_policy, where = retry_policy or RetryPolicy(), f"{repo_url(repo, repo_type)} at {revision[:12]}, {name}"
    if is_offline():
        raise OfflineError(f"{where}: not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set. {CHECK}")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise DownloadError(f"{where}: a name that leads outside the repository")
    url = hf_hub_url(repo, name, repo_type=repo_type, revision=revision)
    facts = call_hub(
        lambda: get_hf_file_metadata(url, timeout=retry_policy.timeout), repo, repo_type, where, retry_policy
    )
    if facts.commit_hash != revision or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", facts.etag or ""):
        raise DownloadError(
            f"{where}: the server answered with commit {facts.commit_hash} and ETag {facts.etag}, expected {revision} and the file's "
            "digest. Is HF_ENDPOINT a hub?"
        )
    folder = repo_cache_dir(repo, repo_type)
    blob = folder / "blobs" / facts.etag
    blob.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(blob.with_name(f"{facts.etag}.diffzero.lock")):
        part = blob.with_name(f"{facts.etag}.diffzero.incomplete")
        if blob.exists() and blob.stat().st_size != facts.size:
            LOG.warning("%s: found %d bytes, expected %d; completing it", blob, blob.stat().st_size, facts.size)
            blob.replace(part)
        if not blob.exists():
            # The hub library starts a broken download from zero in the next process; ten gigabytes are worth going on with.
            send = build_hf_headers()
            with_context(lambda: transfer(url, part, facts.size, send, retry_policy), repo, repo_type, where)
            if kind := {40: "git", 64: "sha256"}.get(len(facts.etag)):
                aside = folder / "wrong-digest" / name.replace("/", "--")
                require_digest(part, f"{kind}:{facts.etag}", aside, where)
            part.replace(blob)
    pointer = folder / "snapshots" / revision / name
    _place(blob, pointer)
    return pointer


def _place(blob: Path, pointer: Path) -> None:
    """Let `pointer` be the file `blob`, in the hub cache's way: a relative link, or where the disk knows none a second file."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    new = pointer.with_name(f".{pointer.name}.{secrets.token_hex(8)}")
    try:
        new.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        shutil.copyfile(blob, new)
    new.replace(pointer)


def is_cached(repo: str, revision: str, name: str, repo_type: str) -> bool:
    """Whether download_hub_file would find a file without a request."""
    return _cached(repo, revision, name, repo_type) is not None


def _cached(repo: str, revision: str, name: str, repo_type: str) -> Path | None:
    """A file in the hub's cache, None where it is not there or, as far as its size is known, not whole."""
    found = try_to_load_from_cache(repo, name, revision=revision, repo_type=repo_type)
    if not isinstance(found, str):
        return None
    size = (cached_file_sizes(repo, revision, repo_type=repo_type) or {}).get(name)
    return Path(found) if size in (None, Path(found).stat().st_size) else None


def download_hub_files(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool],
    *,
    repo_type: str = "dataset",
    retry_policy: RetryPolicy | None = None,
) -> Path:
    """The folder that holds the wanted files of a repository at a commit. Raises DownloadError, for want of space before it starts."""
    sizes = hub_file_sizes(repo, revision, wanted, repo_type=repo_type, retry_policy=retry_policy)
    names = [name for name in sizes if wanted(name)]
    if not names:
        raise RemoteFileNotFoundError(
            f"{repo_url(repo, repo_type)} at {revision[:12]}: found none of the wanted files among {len(sizes)}"
        )
    lacking = [name for name in names if not is_cached(repo, revision, name, repo_type)]
    if lacking and is_offline():
        total = format_bytes(sum(sizes[name] for name in lacking))
        raise OfflineError(
            f"{repo_url(repo, repo_type)} at {revision[:12]}: {len(lacking)} of {len(names)} files ({total}) are not in the cache "
            f"{constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set: {', '.join(lacking)}. {CHECK}"
        )
    if lacking:
        Path(constants.HF_HUB_CACHE).mkdir(parents=True, exist_ok=True)
        require_space(Path(constants.HF_HUB_CACHE), sum(sizes[name] for name in lacking))
    paths = [download_hub_file(repo, revision, name, repo_type=repo_type, retry_policy=retry_policy) for name in names]
    return Path(str(paths[0]).removesuffix(names[0]))
