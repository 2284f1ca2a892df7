"""The lock of a shard, held by real processes that are killed or disappear."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from diffzero.scoring.shard_lock import lock_shard

HOLD = """
import sys, time
from pathlib import Path
from diffzero.scoring.shard_lock import lock_shard
with lock_shard(Path(sys.argv[1]), heartbeat_interval=0.1, dead_after=1.0, poll_interval=0.05):
    with open(sys.argv[2], "a") as log:
        log.write("in\\n"); log.flush()
        time.sleep(float(sys.argv[3]))
        log.write("out\\n")
"""


def start(script: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def wait_for_lines(path: Path, count: int) -> list[str]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{path}: not {count} lines within a minute")


def test_workers_of_one_shard_run_one_after_another(tmp_path):
    log = tmp_path / "log"
    workers = [start(HOLD, tmp_path / "shard.lock", log, 0.3) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert log.read_text().splitlines() == ["in", "out"] * 4
    assert list(tmp_path.iterdir()) == [log]


def test_a_free_lock_is_taken_without_waiting(tmp_path, caplog):
    before = time.monotonic()
    with caplog.at_level(logging.WARNING), lock_shard(tmp_path / "shard.lock"):
        assert time.monotonic() - before < 1 and not caplog.text


def test_a_killed_worker_of_the_same_machine_is_replaced_at_once(tmp_path, caplog):
    log, path = tmp_path / "log", tmp_path / "shard.lock"
    first = start(HOLD, path, log, 60)
    wait_for_lines(log, 1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = time.monotonic()
    with lock_shard(path, poll_interval=0.05):
        assert time.monotonic() - before < 10
    assert "its owner is dead" in caplog.text


def test_a_worker_of_another_machine_is_dead_once_its_heartbeat_stops_and_alive_before(tmp_path):
    path = tmp_path / "shard.lock"
    path.write_text('{"host": "elsewhere", "pid": 1}')
    # One hour ahead: the clocks of a cluster do not agree, and must not matter.
    os.utime(path, (time.time() + 3600,) * 2)
    before = time.monotonic()
    with lock_shard(path, heartbeat_interval=0.1, dead_after=1.0, poll_interval=0.05):
        assert 1.0 < time.monotonic() - before < 10
        second = start(HOLD, path, tmp_path / "log", 0)
        time.sleep(3)
        assert not (tmp_path / "log").exists(), "the heartbeat of the owner keeps the other one waiting"
    assert second.wait(60) == 0 and not path.exists()


def test_an_empty_lock_of_a_crashed_machine_is_replaced(tmp_path):
    path = tmp_path / "shard.lock"
    path.touch()
    with lock_shard(path, heartbeat_interval=0.1, dead_after=0.5, poll_interval=0.05):
        assert path.read_text()
    assert not path.exists()


def test_a_lock_file_that_nfs_reports_as_stale_counts_as_removed(tmp_path, monkeypatch, caplog):
    path, read = tmp_path / "shard.lock", Path.read_text
    path.write_text('{"host": "elsewhere", "pid": 1}')

    def stale(self: Path, **options) -> str:
        """Raise ESTALE once, as if the owner on another machine had just removed the file."""
        if self == path and path.exists():
            path.unlink()
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(self, **options)

    monkeypatch.setattr(Path, "read_text", stale)
    before = time.monotonic()
    with lock_shard(path, poll_interval=0.05):
        assert time.monotonic() - before < 10 and "its owner is dead" not in caplog.text
