"""One worker a shard: the second waits for the first, and takes over when it is dead.

Two workers meet where a killed Snakemake's jobs go on while a new one submits the same, or where SLURM requeues a job of a node that it
only believes dead. Scores would be right either way (same name, same bytes), but paid for twice.
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


def _try_to_take(path: Path, owner: str) -> bool:
    try:
        # Exclusive creation is atomic on NFS, unlike flock, which some clusters do not even offer.
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(owner)
    except OSError:
        path.unlink(missing_ok=True)  # a lease without an owner would be waited for
        raise
    return True


def _heartbeat(path: Path, every: float, ended: threading.Event) -> None:
    while not ended.wait(every):
        try:
            os.utime(path)
        except (
            OSError
        ):  # taken over while this process was stopped, or the disk is away: the work itself is not endangered
            log.warning("%s: the lease could not be renewed.", path)


@contextmanager
def lock_shard(
    path: Path, heartbeat_interval: float = 15.0, dead_after: float = 120.0, poll_interval: float = 2.0
) -> Iterator[bool]:
    """A context in which no other process holds `path`; its value says whether another had to be waited for.

    The holder renews the file's time every `heartbeat_interval` seconds. Who waits measures with its own clock how long
    that time has stood still, so that clocks of different machines need not agree,
    and takes over after `dead_after` seconds. Raises DiskFullError.
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
        waited = _wait(path, owner, dead_after, poll_interval)
    ended = threading.Event()
    thread = threading.Thread(target=_heartbeat, args=(path, heartbeat_interval, ended), name="lease", daemon=True)
    thread.start()
    try:
        yield waited
    finally:
        ended.set()
        thread.join()
        if _read(path) == owner:
            path.unlink(missing_ok=True)


def _gone(error: OSError) -> bool:
    """Whether a file is no more. ESTALE is how NFS says so of one that another machine has removed."""
    return error.errno in (errno.ENOENT, errno.ESTALE)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        if _gone(error):
            return None
        raise


def _wait(path: Path, owner: str, dead_after: float, poll_interval: float) -> bool:
    waited, seen, since, last_logged = False, None, time.monotonic(), -float("inf")
    while not _try_to_take(path, owner):
        waited = True
        try:
            found = (path.stat().st_mtime_ns, _read(path))
        except OSError as error:
            if _gone(error):
                continue
            raise
        now = time.monotonic()
        if found != seen:
            seen, since = found, now
        if _holder_is_dead(found[1]) or now - since > dead_after:
            _break_stale_lock(path, found[1])
            continue
        if now - last_logged > 60:
            last_logged = now
            log.warning("%s: another worker is on this shard (%s). Waiting for it.", path, found[1])
        time.sleep(poll_interval)
    return waited


def _holder_is_dead(owner: str | None) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    try:
        holder = json.loads(owner or "{}")
    except ValueError:  # caught between creation and writing
        return False
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _break_stale_lock(path: Path, owner: str | None) -> None:
    """Remove a dead holder's file. Renamed first: of several that wait, one alone can do that."""
    tombstone = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.rename(tombstone)
    except OSError as error:
        if _gone(error):
            return
        raise
    if _read(tombstone) == owner:
        log.warning("%s: its worker is dead (%s); taking over.", path, owner)
        tombstone.unlink(missing_ok=True)
        return
    # Between the look and the rename somebody else buried the dead and took the lease: it goes back to him.
    try:
        os.link(tombstone, path)
    except OSError:
        log.warning("%s: changed hands twice; going on.", path)
    tombstone.unlink(missing_ok=True)
