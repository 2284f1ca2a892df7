"""One job per GPU, with real processes that are killed."""

import subprocess
import sys
import time

from diffzero.cluster.gpu_lock import reserve_gpu

CLAIM = """
import sys, time
from pathlib import Path
from diffzero.cluster.gpu_lock import reserve_gpu
with reserve_gpu("auto", lambda: int(sys.argv[2]), Path(sys.argv[1]), 0.05) as device:
    print(device, flush=True)
    time.sleep(60)
"""


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CLAIM, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_two_gpus_go_to_two_jobs_and_a_third_waits_until_one_dies(tmp_path):
    jobs = [start(tmp_path, 2) for _ in range(2)]
    devices = [job.stdout.readline().strip() for job in jobs]
    assert sorted(devices) == ["cuda:0", "cuda:1"]
    third = start(tmp_path, 2)
    time.sleep(1)
    assert third.poll() is None
    jobs[0].kill()
    assert third.stdout.readline().strip() == devices[0]
    for job in (*jobs, third):
        job.kill()
        job.wait()


def test_a_single_gpu_serves_one_job_at_a_time(tmp_path):
    first = start(tmp_path, 1)
    assert first.stdout.readline().strip() == "cuda:0"
    second = start(tmp_path, 1)
    time.sleep(1)
    assert second.poll() is None
    first.kill()
    assert second.stdout.readline().strip() == "cuda:0"
    for job in (first, second):
        job.kill()
        job.wait()


def test_a_released_gpu_can_be_reserved_again(tmp_path):
    for _ in range(2):
        with reserve_gpu("cuda", lambda: 1, tmp_path) as device:
            assert device == "cuda:0"


def test_a_cpu_a_numbered_device_and_the_gpu_of_a_slurm_job_stay_as_they_are(tmp_path, monkeypatch):
    for device, gpus in (("auto", 0), ("cpu", 4), ("cuda:3", 4)):
        with reserve_gpu(device, lambda gpus=gpus: gpus, tmp_path) as given:
            assert given == device
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with reserve_gpu("auto", lambda: 1, tmp_path) as given:
        assert given == "auto"
