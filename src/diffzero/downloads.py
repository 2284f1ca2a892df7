"""Files from the hub and from plain addresses."""

import hashlib
import os
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from diffzero.files import write_atomically


def hub_file(repo: str, revision: str, name: str, *, repo_type: str = "dataset") -> Path:
    """A file of a hub repository, downloaded or from the cache."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, name, repo_type=repo_type, revision=revision))


def hub_names(repo: str, revision: str, *, repo_type: str = "dataset") -> list[str]:
    """The paths of all files of a hub repository."""
    from huggingface_hub import HfApi

    return HfApi().list_repo_files(repo, repo_type=repo_type, revision=revision)


def plain_file(url: str, name: str, digest: str | None) -> Path:
    """A file by its address, downloaded once and checked against `sha256:...` or `md5:...`."""
    folder = Path(os.environ.get("DIFFZERO_CACHE", Path.home() / ".cache" / "diffzero"))
    path = folder / hashlib.sha256(url.encode()).hexdigest()[:16] / name  # several data sets have an `images.tar.gz`
    if not path.is_file():
        with urllib.request.urlopen(url, timeout=60) as answer:
            write_atomically(path, answer.read())
    if digest:
        kind, expected = digest.split(":")
        found = hashlib.new(kind, path.read_bytes()).hexdigest()
        if found != expected:
            raise ValueError(f"{url}: found {kind} {found}, expected {expected}.")
    return path


def unpacked(archive: Path, members: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The chosen regular files of a tar or zip archive, in memory."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if not name.endswith("/") and members(name):
                    yield name, file.read(name)
        return
    with tarfile.open(archive) as file:
        for member in file:
            if member.isfile() and members(member.name):
                yield member.name, file.extractfile(member).read()
