"""Files from the hub and from plain addresses: resumed, verified, and found again without a network.

Hub files lie in the hub's own cache (HF_HOME), where every other program finds them, too; plain files in DIFFZERO_CACHE.
Nothing here unpickles or unpacks to disk.
"""

import hashlib
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from operator import itemgetter
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

from diffzero.archives import ArchiveError, Bounds, unpacked
from diffzero.files import sha256_of, write_json
from diffzero.transfers import (
    MORE_SPACE,
    PASSING,
    DownloadError,
    Interrupted,
    NoSpace,
    NotThere,
    Offline,
    Patience,
    Refused,
    WrongDigest,
    bytes_in_words,
    persistently,
    require_digest,
    require_space,
    shown,
    transfer,
)

__all__ = [
    "MORE_SPACE", "ArchiveError", "Bounds", "DownloadError", "NoSpace", "NotThere", "Offline", "Refused", "WrongDigest",
    "bytes_in_words", "cache", "cached_sizes", "hub_file", "hub_files", "hub_names", "hub_sizes", "is_cached", "is_offline", "page",
    "plain_file", "plain_path", "plain_size", "unpacked",
]  # fmt: skip
T = TypeVar("T")
LOG = logging.getLogger(__name__)
CHECK = "`snakemake --cores 1 check` lists everything that is missing."


def is_offline() -> bool:
    """Whether the network may not be used: HF_HUB_OFFLINE=1, the hub's own switch."""
    return constants.is_offline_mode()


def cache() -> Path:
    """The folder of files that are not the hub's."""
    return Path(os.environ.get("DIFFZERO_CACHE") or pooch.os_cache("diffzero"))


def page(repo: str, repo_type: str) -> str:
    """The page of a repository, where its licence is accepted."""
    return f"{constants.ENDPOINT}/{'datasets/' if repo_type == 'dataset' else ''}{repo}"


def hub_file(
    repo: str, revision: str, name: str, *, repo_type: str = "dataset", patience: Patience | None = None
) -> Path:
    """A file of a repository at a commit, in the hub's cache; downloaded where it is not there, resumed where part of it is.

    Every file is compared with the digest by which the hub knows it. Raises DownloadError: Offline, NotThere, Refused, NoSpace,
    WrongDigest or Interrupted, which name the repository and what to do. A cached file costs no request.
    """
    found = try_to_load_from_cache(repo, name, revision=revision, repo_type=repo_type)
    if isinstance(found, str):
        return Path(found)
    patience, where = patience or Patience(), f"{page(repo, repo_type)} at {revision[:12]}, {name}"
    if is_offline():
        raise Offline(f"{where}: not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set. {CHECK}")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise DownloadError(f"{where}: a name that leads outside the repository")
    url = hf_hub_url(repo, name, repo_type=repo_type, revision=revision)
    facts = _asked(lambda: get_hf_file_metadata(url, timeout=patience.timeout), repo, repo_type, where, patience)
    if facts.commit_hash != revision or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", facts.etag or ""):
        raise DownloadError(
            f"{where}: the server answered with commit {facts.commit_hash} and ETag {facts.etag}, expected {revision} and the file's "
            "digest. Is HF_ENDPOINT a hub?"
        )
    storage = _storage(repo, repo_type)
    blob = storage / "blobs" / facts.etag
    blob.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(blob.with_name(f"{facts.etag}.diffzero.lock")):
        if not blob.exists():
            # The hub library starts a broken download from zero in the next process; ten gigabytes are worth going on with.
            part = blob.with_name(f"{facts.etag}.diffzero.incomplete")
            send = build_hf_headers()
            _named(lambda: transfer(url, part, facts.size, send, patience), repo, repo_type, where)
            if kind := {40: "git", 64: "sha256"}.get(len(facts.etag)):
                aside = storage / "wrong-digest" / name.replace("/", "--")
                require_digest(part, f"{kind}:{facts.etag}", aside, where)
            part.replace(blob)
    pointer = storage / "snapshots" / revision / name
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
    """Whether hub_file would find a file without a request."""
    return isinstance(try_to_load_from_cache(repo, name, revision=revision, repo_type=repo_type), str)


def hub_names(repo: str, revision: str, *, repo_type: str = "dataset", patience: Patience | None = None) -> list[str]:
    """The names of all files of a repository at a commit. Raises DownloadError. Remembered: asked for once."""
    return list(hub_sizes(repo, revision, repo_type=repo_type, patience=patience))


def _listing(repo: str, revision: str, repo_type: str) -> Path:
    return cache() / "listings" / f"{repo_folder_name(repo_id=repo, repo_type=repo_type)}@{revision}.json"


def cached_sizes(repo: str, revision: str, *, repo_type: str = "dataset") -> dict[str, int] | None:
    """What hub_sizes has once told, None where it was never asked. No request."""
    path = _listing(repo, revision, repo_type)
    return json.loads(path.read_text()) if path.is_file() else None


def hub_sizes(
    repo: str, revision: str, *, repo_type: str = "dataset", patience: Patience | None = None
) -> dict[str, int]:
    """The size in bytes of every file of a repository at a commit, by name, sorted. Raises DownloadError."""
    known = cached_sizes(repo, revision, repo_type=repo_type)
    if known is not None:
        return known
    where, patience = f"{page(repo, repo_type)} at {revision[:12]}", patience or Patience()
    snapshot = _storage(repo, repo_type) / "snapshots" / revision
    if is_offline():
        if snapshot.is_dir():
            return _sizes_in(snapshot)
        raise Offline(f"{where}: its list of files is not in the cache {cache()}, and HF_HUB_OFFLINE is set. {CHECK}")
    try:
        ask = lambda: _tree(repo, revision, repo_type, patience.timeout)  # noqa: E731
        entries = _asked(ask, repo, repo_type, where, patience)
    except Interrupted:
        if not snapshot.is_dir():
            raise
        LOG.warning("%s cannot be asked: taking what another program left in %s", where, snapshot)
        return _sizes_in(snapshot)
    found = sorted((entry for entry in entries if entry["type"] == "file"), key=itemgetter("path"))
    sizes = {entry["path"]: entry["size"] for entry in found}
    write_json(sizes, _listing(repo, revision, repo_type))
    return sizes


def _tree(repo: str, revision: str, repo_type: str, timeout: float) -> list[dict]:
    """All entries of a repository's tree, page after page. Not HfApi's: it repeats for minutes where nothing listens."""
    url = f"{constants.ENDPOINT}/api/{repo_type}s/{repo}/tree/{revision}?recursive=true"
    entries: list[dict] = []
    while url:
        # A next page at another address is not sent our token.
        headers = build_hf_headers() if url.startswith(f"{constants.ENDPOINT}/") else {}
        response = requests.get(url, headers=headers, timeout=timeout, auth=lambda request: request)
        response.raise_for_status()
        entries += response.json()
        url = response.links.get("next", {}).get("url")
    return entries


def _storage(repo: str, repo_type: str) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=repo_type)


def _sizes_in(snapshot: Path) -> dict[str, int]:
    """Sizes of the files of a cached repository, which may be a part of it."""
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    return {path.relative_to(snapshot).as_posix(): path.stat().st_size for path in files}


def hub_files(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool],
    *,
    repo_type: str = "dataset",
    patience: Patience | None = None,
) -> Path:
    """The folder that holds the wanted files of a repository at a commit. Raises DownloadError, for want of space before it starts."""
    sizes = hub_sizes(repo, revision, repo_type=repo_type, patience=patience)
    names = [name for name in sizes if wanted(name)]
    if not names:
        raise NotThere(f"{page(repo, repo_type)} at {revision[:12]}: found none of the wanted files among {len(sizes)}")
    lacking = [name for name in names if not is_cached(repo, revision, name, repo_type)]
    if lacking and is_offline():
        total = bytes_in_words(sum(sizes[name] for name in lacking))
        raise Offline(
            f"{page(repo, repo_type)} at {revision[:12]}: {len(lacking)} of {len(names)} files ({total}) are not in the cache "
            f"{constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set: {', '.join(lacking)}. {CHECK}"
        )
    if lacking:
        Path(constants.HF_HUB_CACHE).mkdir(parents=True, exist_ok=True)
        require_space(Path(constants.HF_HUB_CACHE), sum(sizes[name] for name in lacking))
    paths = [hub_file(repo, revision, name, repo_type=repo_type, patience=patience) for name in names]
    return Path(str(paths[0]).removesuffix(names[0]))


def _asked(ask: Callable[[], T], repo: str, repo_type: str, where: str, patience: Patience) -> T:
    """The hub library's answer, its errors as ours, repeated while the server may answer later."""
    return _named(lambda: persistently(lambda: _translated(ask), where, patience), repo, repo_type, where)


def _translated(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (HfHubHTTPError, requests.HTTPError) as error:  # not their text: a server may repeat what it was sent
        status = error.response.status_code
        kind = Refused if status in (401, 403) else NotThere if status == 404 else None
        kind = kind or (Interrupted if status in PASSING else DownloadError)
        raise kind(f"HTTP {status}") from None
    except (httpx2.TimeoutException, requests.Timeout):
        raise Interrupted("no answer in time") from None
    except (httpx2.HTTPError, OSError) as error:
        raise Interrupted(f"no connection ({type(error).__name__})") from None


def _named(act: Callable[[], T], repo: str, repo_type: str, where: str) -> T:
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
    except (NoSpace, Interrupted) as error:
        raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def plain_path(url: str, name: str, digest: str | None) -> Path:
    """Where plain_file puts a file."""
    kind, _, value = (digest or f"address:{hashlib.sha256(url.encode()).hexdigest()}").partition(":")
    if kind not in ("sha256", "md5", "address") or Path(name).name != name:
        raise ValueError(f"found name {name!r} and digest {digest!r}, expected a plain name and sha256:... or md5:...")
    return cache() / "files" / f"{kind}-{value[:16]}" / name


def plain_size(url: str, timeout: float) -> int | None:
    """Bytes of the file at `url`, None where the server does not tell. Raises DownloadError."""
    where = shown(url)

    def ask() -> int | None:
        answer = requests.head(url, timeout=timeout, allow_redirects=True, headers={"Accept-Encoding": "identity"})
        if answer.status_code != 405:  # a server that knows no HEAD may yet have the file
            answer.raise_for_status()
        told = answer.headers.get("Content-Length")
        return int(told) if told and answer.ok else None

    try:
        return _translated(ask)
    except DownloadError as error:
        raise type(error)(f"{where}: {error}") from None


def plain_file(url: str, name: str, digest: str | None, *, patience: Patience | None = None) -> Path:
    """The file at `url` with this digest ("sha256:..." or "md5:..."), in the cache under `name`. Raises DownloadError.

    No digest: for files whose authors published none; what came is used, and its SHA-256 written to the log.
    """
    path, patience = plain_path(url, name, digest), patience or Patience()
    if is_offline() and not path.is_file():
        raise Offline(f"{shown(url)}: not in the cache as {path}, and HF_HUB_OFFLINE is set. {CHECK}")

    def fetch(url: str, output: str, _: object) -> None:
        part = path.with_name(f".{name}.part")
        try:
            transfer(url, part, None, {}, patience)
        except (Refused, NotThere) as error:
            raise type(error)(f"{shown(url)}: {error}. Download {name} by hand and put it at {path}") from None
        if digest:
            require_digest(part, digest, path, shown(url))
        else:
            LOG.warning("%s: no digest is known; found sha256:%s", shown(url), sha256_of(part))
        os.replace(part, output)

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{name}.lock")):
        return Path(pooch.retrieve(url, known_hash=digest, fname=name, path=path.parent, downloader=fetch))
