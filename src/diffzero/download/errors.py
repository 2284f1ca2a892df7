"""Errors of downloads, and how they write URLs and sizes."""

from urllib.parse import urlsplit

from diffzero.utils.commands import snakemake_command

CHECK_COMMAND = f"`{snakemake_command('--cores 1 check')}` lists everything that is missing."


class DownloadError(OSError):
    """A file cannot be downloaded."""


class TransientDownloadError(DownloadError):
    """A transfer fails, stalls or is too slow; another attempt continues where this one ended.

    Parameters
    ----------
    message : str
        What went wrong.
    retry_after : float
        Seconds that the server requests between this attempt and the next.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteFileNotFoundError(DownloadError):
    """The server does not have the file (HTTP 404, 410)."""


class AccessDeniedError(DownloadError):
    """The server has the file, but this user may not read it (HTTP 401, 403)."""


class HashMismatchError(DownloadError):
    """The digest of the downloaded file is not the expected one."""


class DownloadSpaceError(DownloadError):
    """The disk has too little space for the file."""


class OfflineError(DownloadError):
    """The file is not in the cache, and the network may not be used (HF_HUB_OFFLINE=1)."""


def redact_url(url: str) -> str:
    """Return `url` without its user name, password and query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def format_bytes(count: float) -> str:
    """Return a number of bytes with a decimal unit: 12345678 becomes "12.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
