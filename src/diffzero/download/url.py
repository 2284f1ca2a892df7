"""Files from the hub and from plain addresses: resumed, verified, and found again without a network.

Hub files lie in the hub's own cache (HF_HOME), where every other program finds them, too; plain files in DIFFZERO_CACHE.
Nothing here unpickles or unpacks to disk.
"""

import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pooch
import requests
from filelock import FileLock
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.utils import build_hf_headers

from diffzero.download.archives import ArchiveError, Bounds, unpacked
from diffzero.download.http import (
    MORE_SPACE,
    DownloadError,
    NoSpace,
    NotThere,
    Offline,
    Patience,
    Refused,
    WrongDigest,
    bytes_in_words,
    digests,
    require_digest,
    require_space,
    shown,
    transfer,
)
from diffzero.download.hub import (
    CHECK,
    asked,
    cache,
    cached_sizes,
    hub_names,
    hub_sizes,
    is_offline,
    named,
    page,
    storage,
    translated,
)
from diffzero.utils.io import sha256_of

__all__ = [
    "MORE_SPACE", "ArchiveError", "Bounds", "DownloadError", "NoSpace", "NotThere", "Offline", "Refused", "WrongDigest",
    "bytes_in_words", "cache", "cached_sizes", "hub_file", "hub_files", "hub_names", "hub_sizes", "is_cached", "is_offline", "page",
    "plain_file", "plain_path", "plain_size", "unpacked",
]  # fmt: skip
LOG = logging.getLogger(__name__)


def hub_file(
    repo: str, revision: str, name: str, *, repo_type: str = "dataset", patience: Patience | None = None
) -> Path:
    """A file of a repository at a commit, in the hub's cache; downloaded where it is not there, resumed where part of it is.

    Every file is compared with the digest by which the hub knows it. Raises DownloadError: Offline, NotThere, Refused, NoSpace,
    WrongDigest or Interrupted, which name the repository and what to do. A cached file costs no request.
    """
    found = _cached(repo, revision, name, repo_type)
    if found:
        return found
    patience, where = patience or Patience(), f"{page(repo, repo_type)} at {revision[:12]}, {name}"
    if is_offline():
        raise Offline(f"{where}: not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set. {CHECK}")
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise DownloadError(f"{where}: a name that leads outside the repository")
    url = hf_hub_url(repo, name, repo_type=repo_type, revision=revision)
    facts = asked(lambda: get_hf_file_metadata(url, timeout=patience.timeout), repo, repo_type, where, patience)
    if facts.commit_hash != revision or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", facts.etag or ""):
        raise DownloadError(
            f"{where}: the server answered with commit {facts.commit_hash} and ETag {facts.etag}, expected {revision} and the file's "
            "digest. Is HF_ENDPOINT a hub?"
        )
    folder = storage(repo, repo_type)
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
            named(lambda: transfer(url, part, facts.size, send, patience), repo, repo_type, where)
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
    """Whether hub_file would find a file without a request."""
    return _cached(repo, revision, name, repo_type) is not None


def _cached(repo: str, revision: str, name: str, repo_type: str) -> Path | None:
    """A file in the hub's cache, None where it is not there or, as far as its size is known, not whole."""
    found = try_to_load_from_cache(repo, name, revision=revision, repo_type=repo_type)
    if not isinstance(found, str):
        return None
    size = (cached_sizes(repo, revision, repo_type=repo_type) or {}).get(name)
    return Path(found) if size in (None, Path(found).stat().st_size) else None


def hub_files(
    repo: str,
    revision: str,
    wanted: Callable[[str], bool],
    *,
    repo_type: str = "dataset",
    patience: Patience | None = None,
) -> Path:
    """The folder that holds the wanted files of a repository at a commit. Raises DownloadError, for want of space before it starts."""
    sizes = hub_sizes(repo, revision, wanted, repo_type=repo_type, patience=patience)
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
        return translated(ask)
    except DownloadError as error:
        raise type(error)(f"{where}: {error}") from None


def plain_file(url: str, name: str, digest: str | None, *, patience: Patience | None = None) -> Path:
    """The file at `url` with this digest ("sha256:..." or "md5:..."), in the cache under `name`. Raises DownloadError.

    No digest: for files whose authors published none; what came is used, and its SHA-256 written to the log.
    """
    path, patience = plain_path(url, name, digest), patience or Patience()
    if is_offline():
        if path.is_file() and (not digest or digest in digests(path, digest)):
            return path
        found = "another file than expected" if path.is_file() else "nothing"
        raise Offline(f"{shown(url)}: found {found} in the cache as {path}, and HF_HUB_OFFLINE is set. {CHECK}")

    def fetch(url: str, output: str, _: object) -> None:
        part = path.with_name(f".{name}.part")
        try:
            transfer(url, part, None, {}, patience)
        except (Refused, NotThere) as error:
            raise type(error)(f"{shown(url)}: {error}. Download {name} by hand and put it at {path}") from None
        except DownloadError as error:
            raise type(error)(str(error) if shown(url) in str(error) else f"{shown(url)}: {error}") from None
        if digest:
            require_digest(part, digest, path, shown(url))
        else:
            LOG.warning("%s: no digest is known; found sha256:%s", shown(url), sha256_of(part))
        os.replace(part, output)

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{name}.lock")):
        return Path(pooch.retrieve(url, known_hash=digest, fname=name, path=path.parent, downloader=fetch))
