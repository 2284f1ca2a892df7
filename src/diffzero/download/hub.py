"""The model and data hub: which files a repository holds, asked with patience, answered from the cache where that is known."""

import logging
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import httpx2
import pooch
import requests
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_token

from diffzero.download.http import (
    PASSING,
    DownloadError,
    Interrupted,
    NotThere,
    Offline,
    Patience,
    Refused,
    persistently,
    retry_after,
)
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


def cache() -> Path:
    """The folder of files that are not the hub's."""
    return Path(os.environ.get("DIFFZERO_CACHE") or pooch.os_cache("diffzero"))


def page(repo: str, repo_type: str) -> str:
    """The page of a repository, where its licence is accepted."""
    return f"{constants.ENDPOINT}/{'datasets/' if repo_type == 'dataset' else ''}{repo}"


def storage(repo: str, repo_type: str) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type)


def _sizes_in(snapshot: Path) -> dict[str, int]:
    """Sizes of the files of a cached repository, which may be a part of it."""
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    return {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}


def every(name: str) -> bool:
    """True: all files are wanted."""
    return True


def hub_names(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool] = every,
    *,
    repo_type: str = "dataset",
    patience: Patience | None = None,
) -> list[str]:
    """The names of all files of a repository at a commit. Raises DownloadError. Remembered: asked for once."""
    return list(hub_sizes(repo, revision, wanted, repo_type=repo_type, patience=patience))


def _listing(repo: str, revision: str, repo_type: str) -> Path:
    return cache() / "listings" / f"{repo_folder_name(repo_id=repo, repo_type=repo_type)}@{revision}.json"


def cached_sizes(repo: str, revision: str, *, repo_type: str = "dataset") -> dict[str, int] | None:
    """What hub_sizes has once told, None where it was never asked. No request."""
    path = _listing(repo, revision, repo_type)
    return read_json(path) if path.is_file() else None


def hub_sizes(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool] = every,
    *,
    repo_type: str = "dataset",
    patience: Patience | None = None,
) -> dict[str, int]:
    """The size in bytes of every file of a repository at a commit, by name, sorted. Raises DownloadError.

    Where nobody can be asked: of what another program left in the cache, if the `wanted` files among it do not name others.
    """
    known = cached_sizes(repo, revision, repo_type=repo_type)
    if known is not None:
        return known
    where, patience = f"{page(repo, repo_type)} at {revision[:12]}", patience or Patience()
    snapshot = storage(repo, repo_type) / "snapshots" / revision
    if is_offline():
        if snapshot.is_dir():
            return _sizes_in(snapshot, wanted, f"{where}: HF_HUB_OFFLINE is set")
        raise Offline(f"{where}: its list of files is not in the cache {cache()}, and HF_HUB_OFFLINE is set. {CHECK}")
    try:
        ask = lambda: _tree(repo, revision, repo_type, patience.timeout)  # noqa: E731
        sizes = asked(ask, repo, repo_type, where, patience)
    except Interrupted as error:
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
    """Sizes of the files of a cached repository. Raises Offline where the wanted ones name others that are not there."""
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    sizes = {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}
    if lacking := left_out(filter(wanted, sizes), snapshot):
        raise Offline(
            f"{why}, and of the cached {snapshot} {len(lacking)} files are lacking: {', '.join(lacking)}. {CHECK}"
        )
    return sizes


def left_out(names: Iterable[str], folder: Path) -> list[str]:
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


def asked(ask: Callable[[], T], repo: str, repo_type: str, where: str, patience: Patience) -> T:
    """The hub library's answer, its errors as ours, repeated while the server may answer later."""
    return named(lambda: persistently(lambda: translated(ask), where, patience), repo, repo_type, where)


def translated(ask: Callable[[], T]) -> T:
    """What the hub's library answers; its many kinds of errors as DownloadErrors."""
    try:
        return ask()
    except DownloadError:
        raise
    except (HfHubHTTPError, requests.HTTPError) as error:  # not their text: a server may repeat what it was sent
        status = error.response.status_code
        if status in PASSING:
            raise Interrupted(f"HTTP {status}", retry_after(error.response.headers)) from None
        kind = Refused if status in (401, 403) else NotThere if status in (404, 410) else DownloadError
        raise kind(f"HTTP {status}") from None
    except (httpx2.TimeoutException, requests.Timeout):
        raise Interrupted("no answer in time") from None
    except (httpx2.HTTPError, OSError) as error:
        raise Interrupted(f"no connection ({type(error).__name__})") from None


def named(act: Callable[[], T], repo: str, repo_type: str, where: str) -> T:
    """What `act` returns; its DownloadErrors with the repository and the way out."""
    try:
        return act()
    except Refused as error:
        sent = "The token that was sent does not open it" if get_token() else "No token was sent"
        raise Refused(
            f"{where}: {error}. {sent}. Accept the licence on {page(repo, repo_type)} with your account, then set the variable HF_TOKEN "
            "to a token of that account that may read gated repositories."
        ) from None
    except NotThere as error:
        raise NotThere(f"{where}: {error}: no such repository, commit or file there any more") from None
    except DownloadError as error:
        raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
