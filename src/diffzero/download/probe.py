"""Check whether files are on this machine or can be downloaded, and find their sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from huggingface_hub import constants

from diffzero.download.errors import DownloadError, OfflineError, TransientDownloadError, format_bytes
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo, cache_dir, is_offline
from diffzero.download.url import url_cache_path, url_size

T = TypeVar("T")
NO_RETRY = RetryPolicy(timeout=10, max_attempts=1)


@dataclass(frozen=True)
class Availability:
    """Location of files (on this machine or not) and their size in bytes; None if a server does not state it."""

    is_local: bool
    size: int | None


class RemoteProbe:
    """Ask servers for the sizes of files. A server that cannot be reached gets only one request."""

    def __init__(self) -> None:
        self._unreachable: set[str] = set()

    def ask(self, url: str, request: Callable[[], T]) -> T:
        """Return the result of a request to the server of `url`. Raises TransientDownloadError if the server could not be reached."""
        server = urlsplit(url).netloc
        if server not in self._unreachable:
            try:
                return request()
            except TransientDownloadError:
                self._unreachable.add(server)
        raise TransientDownloadError(
            f"cannot reach {urlsplit(url).scheme}://{server}, and the files are not in the cache"
        )

    def file_sizes(self, repo: HubRepo, wanted: Callable[[str], bool]) -> dict[str, int]:
        """Return the size of every file of a repository; see HubRepo.file_sizes. Raises DownloadError."""
        known = repo.cached_file_sizes()
        return known if known is not None else self.ask(constants.ENDPOINT, lambda: repo.file_sizes(wanted, NO_RETRY))

    def check_repo(self, repo: HubRepo, wanted: Callable[[str], bool]) -> Availability:
        """Return the availability of the wanted files of a repository. Raises DownloadError."""
        sizes = {name: size for name, size in self.file_sizes(repo, wanted).items() if wanted(name)}
        if not sizes:
            raise DownloadError(f"{repo}: found none of the wanted files")
        missing = sum(size for name, size in sizes.items() if not repo.cached_file(name))
        if not missing:
            return Availability(is_local=True, size=sum(sizes.values()))
        if is_offline():
            raise OfflineError(f"{repo.url}: {format_bytes(missing)} are not in the cache, and HF_HUB_OFFLINE is set")
        return Availability(is_local=False, size=missing)

    def check_urls(self, files: Sequence[tuple[str, str, str | None]]) -> Availability:
        """Return the availability of files, each given as the URL, name and digest for `download_url`. Raises DownloadError."""
        paths = {url: url_cache_path(url, name, digest) for url, name, digest in files}
        missing = [url for url, path in paths.items() if not path.is_file()]
        if not missing:
            return Availability(is_local=True, size=sum(path.stat().st_size for path in paths.values()))
        if is_offline():
            raise OfflineError(f"{', '.join(missing)}: not in the cache {cache_dir()}, and HF_HUB_OFFLINE is set")
        sizes = [self.ask(url, partial(url_size, url, NO_RETRY.timeout)) for url in missing]
        known = [size for size in sizes if size is not None]
        return Availability(is_local=False, size=sum(known) if len(known) == len(sizes) else None)

    def check_path(self, path: Path) -> Availability:
        """Return the size of a file, or of all files in a folder. Raises FileNotFoundError."""
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: does not exist; expected the images. Put them there, or set another source in the data set's YAML"
            )
        return Availability(is_local=True, size=path_size(path))


def path_size(path: Path) -> int:
    """Return the number of bytes in a file, or in all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
