"""Errors of downloads."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit


class DownloadError(OSError):
    """A file that could not be had. `final`: asking the same server again would not help."""

    final = True


class TransientDownloadError(DownloadError):
    """A transfer that broke off, stalled or crept: worth another attempt, which goes on where this one ended."""

    final = False

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after  # seconds that the server asks us to wait


class RemoteFileNotFoundError(DownloadError):
    """The server does not have it (404, 410)."""


class AccessDeniedError(DownloadError):
    """The server has it, but not for everybody (401, 403)."""


class HashMismatchError(DownloadError):
    """Bytes that are not those that were expected."""


class DiskFullError(DownloadError):
    """The disk cannot hold it."""


class OfflineError(DownloadError):
    """It is not on this machine, and the network may not be used (HF_HUB_OFFLINE=1)."""


def redact_url(url: str) -> str:
    """The address without what may be secret in it: user, password, signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def format_bytes(count: float) -> str:
    """12345678 -> 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


MORE_SPACE = (
    "Make room, or let HF_HOME (hub) and DIFFZERO_CACHE (other files) point to a larger disk; what is there is kept."
)


def require_space(folder: Path, needed: int) -> None:
    """Raise DiskFullError where the disk of `folder` has fewer than `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(f"{folder}: needs {format_bytes(needed)}, found {format_bytes(free)} free. {MORE_SPACE}")
