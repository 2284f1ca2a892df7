"""One worker a shard, one job a GPU: with real processes, killed where it hurts."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.scoring.shard_lock import lock_shard

HOLD = """
import sys, time
from pathlib import Path
from diffzero.scoring.shard_lock import lock_shard
with lock_shard(Path(sys.argv[1]), heartbeat_interval=0.1, dead_after=1.0, poll_interval=0.05) as waited:
    with open(sys.argv[2], "a") as log:
        log.write(f"in {waited}\\n"); log.flush()
        time.sleep(float(sys.argv[3]))
        log.write("out\\n")
"""
CLAIM = """
import sys, time
from pathlib import Path
from diffzero.cluster.gpu_lock import reserve_gpu
with reserve_gpu("auto", lambda: 2, Path(sys.argv[1]), 0.05) as device:
    print(device, flush=True)
    time.sleep(60)
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


def test_workers_of_one_shard_come_one_after_another(tmp_path):
    log = tmp_path / "log"
    workers = [start(HOLD, tmp_path / "shard.lock", log, 0.3) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["in", "out"] * 4
    assert lines[0] == "in False" and list(tmp_path.iterdir()) == [log]


def test_a_killed_worker_is_followed_at_once_on_the_same_machine(tmp_path):
    log = tmp_path / "log"
    first = start(HOLD, tmp_path / "shard.lock", log, 60)
    wait_for_lines(log, 1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = time.monotonic()
    with lock_shard(tmp_path / "shard.lock", poll_interval=0.05) as waited:
        assert waited and time.monotonic() - before < 10


def test_a_worker_of_another_machine_is_dead_when_its_file_stands_still_and_alive_while_it_does_not(tmp_path):
    path = tmp_path / "shard.lock"
    path.write_text('{"host": "elsewhere", "pid": 1}')
    # An hour ahead: the clocks of a cluster do not agree, and must not matter.
    os.utime(path, (time.time() + 3600,) * 2)
    before = time.monotonic()
    with lock_shard(path, heartbeat_interval=0.1, dead_after=1.0, poll_interval=0.05):
        assert 1.0 < time.monotonic() - before < 10
        second = start(HOLD, path, tmp_path / "log", 0)
        time.sleep(3)
        assert not (tmp_path / "log").exists(), "the holder's beat keeps the other waiting"
    assert second.wait(60) == 0 and not path.exists()


def test_a_file_that_nfs_calls_stale_is_one_that_is_gone(tmp_path, monkeypatch):
    path, read = tmp_path / "shard.lock", Path.read_text
    path.write_text('{"host": "elsewhere", "pid": 1}')

    def stale(self: Path, **options) -> str:
        """Once, and then it is gone for good: removed by its holder, on another machine."""
        if self == path and path.exists():
            path.unlink()
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(self, **options)

    monkeypatch.setattr(Path, "read_text", stale)
    with lock_shard(path, poll_interval=0.05) as waited:
        assert waited


def test_several_gpus_are_dealt_out_and_come_back_when_a_job_dies(tmp_path):
    jobs = [start(CLAIM, tmp_path) for _ in range(2)]
    devices = [job.stdout.readline().strip() for job in jobs]
    assert sorted(devices) == ["cuda:0", "cuda:1"]
    third = start(CLAIM, tmp_path)
    time.sleep(1)
    assert third.poll() is None
    jobs[0].kill()
    assert third.stdout.readline().strip() == devices[0]
    for job in (*jobs, third):
        job.kill()
        job.wait()


def test_one_gpu_is_for_one_job_at_a_time_too(tmp_path):
    first = start(CLAIM.replace("lambda: 2", "lambda: 1"), tmp_path)
    assert first.stdout.readline().strip() == "cuda:0"
    second = start(CLAIM.replace("lambda: 2", "lambda: 1"), tmp_path)
    time.sleep(1)
    assert second.poll() is None
    first.kill()
    assert second.stdout.readline().strip() == "cuda:0"
    for job in (first, second):
        job.kill()
        job.wait()


def test_a_cpu_a_named_device_and_the_gpu_of_a_slurm_job_stay_what_they_are(tmp_path, monkeypatch):
    for device, gpus in (("auto", 0), ("cpu", 4), ("cuda:3", 4)):
        with reserve_gpu(device, lambda gpus=gpus: gpus, tmp_path) as given:
            assert given == device
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with reserve_gpu("auto", lambda: 1, tmp_path) as given:
        assert given == "auto"
