"""A lock per shard that survives dead owners, so that two workers do not pay for the same scores.

Two workers meet when jobs of a killed Snakemake continue while a new one submits the same shards, or when SLURM requeues a job of a node
that it wrongly believes dead. Scores would be correct either way, but computed twice.

filelock.SoftFileLease is not used: it replaces a dead owner's file with renameat2(RENAME_EXCHANGE) only, which NFS does not support, and
never replaces an empty one, so that one crashed node would block its shard for ever.
"""

import errno
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffzero.utils.io import explain_disk_full

log = logging.getLogger(__name__)
LOG_INTERVAL = 60.0  # seconds between two messages of a waiting worker


@contextmanager
def lock_shard(
    path: Path, heartbeat_interval: float = 15.0, dead_after: float = 120.0, poll_interval: float = 2.0
) -> Iterator[None]:
    """Hold the lock file `path` within the context; wait while another process holds it.

    The owner updates the file's modification time every `heartbeat_interval` seconds. A waiting process takes over when its own clock
    has seen no update for `dead_after` seconds, so the clocks of different machines need not agree, or at once when the owner was
    a process of this machine that no longer exists.

    Raises
    ------
    DiskFullError
        If there is no space for the file.
    """
    owner = json.dumps(
        {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
            "token": secrets.token_hex(8),
        }
    )
    with explain_disk_full(path, len(owner)):
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(path, owner, dead_after, poll_interval)
    released = threading.Event()
    thread = threading.Thread(target=_heartbeat, args=(path, heartbeat_interval, released), daemon=True)
    thread.start()
    try:
        yield
    finally:
        released.set()
        thread.join()
        if read_owner(path) == owner:
            path.unlink(missing_ok=True)


def _acquire(path: Path, owner: str, dead_after: float, poll_interval: float) -> None:
    """Wait until the lock file could be created."""
    last_state, last_change, last_logged = None, time.monotonic(), -LOG_INTERVAL
    while not try_create(path, owner):
        try:
            holder = read_owner(path)
            state = path.stat().st_mtime_ns, holder
        except OSError as error:
            if _is_gone(error):
                continue
            raise
        now = time.monotonic()
        if state != last_state:
            last_state, last_change = state, now
        if is_dead(holder) or now - last_change > dead_after:
            break_stale_lock(path, holder)
            continue
        if now - last_logged >= LOG_INTERVAL:
            last_logged = now
            log.warning("%s: another worker computes this shard (%s). Waiting for it.", path, holder)
        time.sleep(poll_interval)


def try_create(path: Path, owner: str) -> bool:
    """Create a lock file with its owner; return False if it exists."""
    try:
        # Exclusive creation is atomic on NFS, unlike flock, which some clusters do not offer at all.
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(owner)
    except OSError:
        path.unlink(missing_ok=True)  # others would wait for a lock without an owner
        raise
    return True


def _heartbeat(path: Path, interval: float, released: threading.Event) -> None:
    while not released.wait(interval):
        try:
            os.utime(path)
        except (
            OSError
        ):  # taken over while this process was suspended, or the disk does not answer: neither invalidates the scores
            log.warning("%s: could not update the lock.", path)


def read_owner(path: Path) -> str | None:
    """Return the owner in a lock file, or None if the file no longer exists."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        if _is_gone(error):
            return None
        raise


def _is_gone(error: OSError) -> bool:
    """Return whether a file no longer exists; NFS reports ESTALE for a file that another machine has removed."""
    return error.errno in (errno.ENOENT, errno.ESTALE)


def is_dead(owner: str | None) -> bool:
    """Return whether the owner was a process of this machine that no longer exists."""
    import psutil  # not at the top: only a waiting process needs it

    try:
        holder = json.loads(owner or "{}")
    except ValueError:  # read between creation and writing
        return False
    return holder.get("host") == socket.gethostname() and not psutil.pid_exists(int(holder["pid"]))


def break_stale_lock(path: Path, owner: str | None) -> None:
    """Remove the lock file of a dead owner. It is renamed first, which only one of several waiting processes can do."""
    tombstone = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.rename(tombstone)
    except OSError as error:
        if _is_gone(error):
            return
        raise
    holder = read_owner(tombstone)
    if holder == owner:
        log.warning("%s: its owner is dead (%s); taking over.", path, owner)
    else:
        # Another process has taken over since `owner` was read: restore its lock.
        try:
            os.link(tombstone, path)
        except OSError:
            log.warning(
                "%s: another process has locked the shard meanwhile, so the lock of %s could not be restored. Both compute the "
                "shard; the scores stay correct.",
                path,
                holder,
            )
    tombstone.unlink(missing_ok=True)
