"""A run that was killed between two outputs of a job continues with the same command."""

import os
import signal
import subprocess
import sys
import time

import yaml

from workflow_copy import copy, snakemake

__all__ = ["copy"]
CONFIG = {"name": "killed", "models": ["mini-sd"], "datasets": ["digits"], "max_images": 2, "device": "cpu"}
CONFIG |= {"policy": {"kind": "full", "max_scores": 2}}
TARGET = "results/killed/data/digits/items.parquet"


def test_the_same_command_continues_after_a_kill_between_two_outputs_of_a_job(copy):
    script = copy / "workflow" / "scripts" / "prepare_dataset.py"
    plain = script.read_text()
    # The job stops after its first output.
    script.write_text(plain.replace("write_record(selection", "import time; time.sleep(600)\nwrite_record(selection"))
    (copy / "killed.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", TARGET, "--configfile", "killed.yaml"]
    run = subprocess.Popen(command, cwd=copy, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not (copy / TARGET).with_name("images.parquet").exists():
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    script.write_text(plain)
    subprocess.run([*command[:3], "--unlock", "--configfile", "killed.yaml"], cwd=copy, check=True, capture_output=True)
    done = snakemake(copy, TARGET, config=CONFIG)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (copy / TARGET).exists() and "IncompleteFiles" not in done.stderr
