"""Claims of images by running jobs, so that two runs on one store do not compute the same scores.

The lock of a shard (shard_lock) keeps two workers from one shard. Two runs with other numbers of shards share images without sharing a
shard. Each job therefore claims an image before its first call, passes over images that another job holds, and comes back to them when
they are released: their scores are then in the store.

    <store>/<context>/claims/<token>.owner   a running job (shard_lock.lock_shard), with a heartbeat
    <store>/<context>/claims/<image key>     the token of the job that scores the image
"""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pandas as pd

from diffzero.scoring.shard_lock import break_stale_lock, is_dead, lock_shard, read_owner, try_create
from diffzero.utils.io import explain_disk_full

CLAIMS = "claims"


class Claims:
    """The claims of one job; a context manager that releases them all at its end.

    Parameters
    ----------
    context_dir
        Folder of the context in the store.
    token
        Names the job. A job that continues a killed one has the same token, and with it the claims of the killed one: its order of
        images, and so its batches, are those of the killed job.
    read_new
        Returns the scores that other jobs have stored since the last call.
    poll_interval
        Seconds to wait for the images of other jobs.
    dead_after
        Seconds without a heartbeat, by the clock of this process, after which another job counts as dead.
    """

    def __init__(
        self,
        context_dir: Path,
        token: str,
        read_new: Callable[[], pd.DataFrame],
        poll_interval: float = 1.0,
        dead_after: float = 120.0,
    ) -> None:
        self.directory, self.read_new = context_dir / CLAIMS, read_new
        self.poll_interval, self.dead_after = poll_interval, dead_after
        self.token = token
        self._held: set[str] = set()
        self._heartbeats: dict[
            str, tuple[int, float]
        ] = {}  # by token: time stamp of the file, and when it was first seen
        self._stack = ExitStack()

    def __enter__(self) -> "Claims":
        """Announce this job."""
        self._stack.enter_context(lock_shard(self._owner_file(self.token)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release all images."""
        self.release(list(self._held))
        self._stack.close()

    def take(self, image_key: str) -> bool:
        """Claim an image; return False if another living job holds it."""
        path = self.directory / image_key
        while image_key not in self._held:
            with explain_disk_full(path, len(self.token)):
                if try_create(path, self.token):
                    self._held.add(image_key)
                    break
            holder = read_owner(path)
            if holder is None:  # released in between
                continue
            if holder == self.token:
                self._held.add(image_key)
                break
            if not self._is_gone(holder):
                return False
            break_stale_lock(path, holder)
        return True

    def release(self, image_keys: Iterable[str]) -> None:
        """Release images whose scores are in the store."""
        for image_key in image_keys:
            if image_key in self._held:
                (self.directory / image_key).unlink(missing_ok=True)
                self._held.discard(image_key)

    def wait(self) -> None:
        """Wait until other jobs may have released images."""
        time.sleep(self.poll_interval)

    def _owner_file(self, token: str) -> Path:
        return self.directory / f"{token}.owner"

    def _is_gone(self, token: str) -> bool:
        """Return whether the job with this token has ended or died."""
        path = self._owner_file(token)
        owner = read_owner(path)
        if owner is None:
            return True
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            return True
        known, since = self._heartbeats.get(token, (None, 0.0))
        if known != stamp:
            self._heartbeats[token] = stamp, time.monotonic()
            return is_dead(owner)
        return is_dead(owner) or time.monotonic() - since > self.dead_after
