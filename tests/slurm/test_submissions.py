"""Submissions on a real SLURM with accounts: refused for good, refused for now, without an answer, with words around the job number."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import accounting
import psutil
import pytest
from cluster import Cluster
from work import ROOT, environment, needs_slurm, wait_for

needs_slurm()
WHY_NO_ACCOUNTS = accounting.missing()
if WHY_NO_ACCOUNTS and not os.environ.get("DIFFZERO_NEEDS_SLURM"):
    pytest.skip(f"the tests of submissions are skipped: {WHY_NO_ACCOUNTS}", allow_module_level=True)

SHARDS = 3


@pytest.fixture(scope="module")
def lab(cluster, tmp_path_factory):
    """Replace the cluster by one with accounts and limits; a machine can run one at a time."""
    assert WHY_NO_ACCOUNTS is None, WHY_NO_ACCOUNTS
    cluster.down()
    with_accounts = Cluster(tmp_path_factory.mktemp("lab"), has_accounts=True)
    try:
        with_accounts.up()
        yield with_accounts
    finally:
        with_accounts.down()
        cluster.up()


class SmallRun:
    """Snakemake with three tiny jobs, the real guard and the real profile."""

    def __init__(self, lab: Cluster, root: Path) -> None:
        self.lab, self.root, self.output = lab, root, root / "output.txt"
        shutil.copytree(ROOT / "slurm", root / "slurm")
        shutil.copy(ROOT / "tests/slurm/submissions.smk", root / "Snakefile")

    def start(self, *arguments: str, path: str = "") -> subprocess.Popen:
        """Start the run; without retries, so that a single used attempt fails it."""
        command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--retries", "0"]
        command += ["--slurm-init-seconds-before-status-checks", "2", *arguments]
        variables = environment() | {"PYTHONPATH": str(ROOT / "src"), "PATH": f"{path}:{os.environ['PATH']}"}
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                command, cwd=self.root, env=variables, stdout=file, stderr=file, start_new_session=True
            )
        return self.process

    def log(self) -> str:
        return self.output.read_text()

    def messages(self) -> list[str]:
        """Return the guard's messages."""
        return [line for line in self.log().splitlines() if line.startswith("diffzero: ")]

    def submitted(self) -> Counter[str]:
        """Return the number of jobs that SLURM has had, by comment."""
        run_id = re.search(r"SLURM run ID: (\S+)", self.log())
        shown = self.lab.run("scontrol", "show", "job", "-o").splitlines()
        own = [job for job in shown if run_id and f"JobName={run_id[1]}" in job]
        # SLURM shows some refused submissions, too.
        return Counter(re.search(r"Comment=(\S+)", job)[1] for job in own if "Reason=BadConstraints" not in job)

    def succeeds(self) -> None:
        """Check that the run ends with one job per shard and no failed attempt."""
        assert self.process.wait(240) == 0, self.log()[-3000:]
        assert sorted(self.submitted().values()) == [1] * SHARDS, self.submitted()
        assert {path.read_text().strip() for path in self.root.glob("out/*.txt")} == {"0", "1", "2"}
        assert "Error" not in self.log() and "sbatch call" not in self.log(), self.log()[-3000:]


@pytest.fixture
def small(lab, tmp_path):
    run = SmallRun(lab, tmp_path)
    yield run
    if run.process.poll() is None:
        run.process.kill()
    lab.run("scontrol", "update", "partitionname=gpu", "state=up")
    lab.run("scontrol", "update", "nodename=n1,n2", "state=resume", check=False)
    lab.accounting.limit_submissions(-1)
    lab.run("scancel", "--user", "root", check=False)
    wait_for(lambda: not lab.run("squeue", "-h"), 60)


GPU = "score:slurm_partition=gpu"


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        (["score:slurm_partition=nosuch"], "slurm_partition: nosuch"),
        ([GPU, "score:slurm_account=nosuch"], "slurm_account: nosuch"),
        ([GPU, "score:qos=nosuch"], "qos: nosuch"),
        ([GPU, "score:gpu_model=h100"], "gpu_model: h100"),
        ([GPU, "score:gpu=9"], "gpu: 9"),
        ([GPU, "score:mem_mb=999999"], "mem_mb: 999999"),
        ([GPU, "score:constraint=nosuch"], "constraint: nosuch"),
        ([GPU, "score:runtime=5000"], "walltime_cap"),
        ([GPU, "score:slurm_extra=--signal=nosuch"], "slurm_extra: --signal=nosuch"),
        ([GPU, "score:slurm_extra=--qos=normal"], "slurm_extra: --qos=normal"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_slurm_never_accepts_ends_the_run_before_the_first_submission(small, resources, named):
    assert small.start("--set-resources", *resources).wait(60) == 1
    assert len(small.messages()) == 1 and named in small.messages()[0], small.log()[-3000:]
    assert "slurm/config.yaml" in small.messages()[0] and not small.submitted()
    assert "Traceback" not in small.log() and "sbatch call" not in small.log() and "rule score" not in small.log()


def test_a_permanent_refusal_of_a_submission_ends_the_run_with_one_message(small):
    """While nodes are drained, `sbatch --test-only` cannot tell an unknown GPU type; the submission can."""
    small.lab.run("scontrol", "update", "nodename=n1,n2", "state=drain", "reason=test")
    assert small.start("--retries", "3", "--set-resources", GPU, "score:gpu_model=h100").wait(60) == 1
    assert len(small.messages()) == 1 and "gpu_model: h100" in small.messages()[0], small.log()[-3000:]
    assert "Traceback" not in small.log() and "sbatch call" not in small.log() and not small.submitted()


@pytest.mark.parametrize("limit", ["MaxSubmitJobs", "QOS"])
def test_a_limit_of_submitted_jobs_is_waited_for(small, limit):
    if limit == "QOS":
        small.lab.run("sacctmgr", "-i", "modify", "qos", "normal", "set", "MaxSubmitJobsPerUser=1")
    else:
        small.lab.accounting.limit_submissions(2)
    try:
        small.start("--set-resources", GPU)
        small.succeeds()
    finally:
        small.lab.run("sacctmgr", "-i", "modify", "qos", "normal", "set", "MaxSubmitJobsPerUser=-1")
    assert len(small.messages()) == 1, small.messages()
    assert re.search(r"SubmitJob.*Jobs that wait for their submission: [12]\.", small.messages()[0])


def test_a_drained_partition_is_waited_for(small):
    small.lab.run("scontrol", "update", "partitionname=gpu", "state=drain")
    small.start("--set-resources", GPU)
    wait_for(lambda: bool(small.messages()), 60)
    small.lab.run("scontrol", "update", "partitionname=gpu", "state=up")
    small.succeeds()
    assert len(small.messages()) == 1 and "Jobs that wait for their submission: 3." in small.messages()[0]


def test_submissions_without_an_answer_leave_one_job_per_output(small):
    """A stopped controller accepts connections, answers none, and works on all of them when it continues."""
    small.start("--set-resources", GPU)
    controller = psutil.Process(int((small.lab.daemon_dir / "slurmctld.pid").read_text()))
    while "Select jobs to execute" not in small.log():  # between the checks and the first submission
        assert small.process.poll() is None, small.log()[-3000:]
        time.sleep(0.01)
    controller.suspend()
    try:
        time.sleep(50)
    finally:
        controller.resume()
    small.succeeds()
    assert any("does not answer" in message for message in small.messages()), small.log()[-3000:]


def test_a_controller_that_is_away_when_resources_are_worked_out_is_waited_for(small):
    small.lab.stop_controller()
    try:
        small.start("--set-resources", GPU)
        wait_for(lambda: "SLURM does not answer" in small.log(), 60)
        time.sleep(5)
        assert small.process.poll() is None, small.log()[-3000:]
    finally:
        small.lab.start_controller()
    small.succeeds()
    assert "Traceback" not in small.log() and "InputFunctionException" not in small.log()


def test_words_around_the_job_number_leave_no_unknown_jobs(small, tmp_path):
    wrapper = tmp_path / "site" / "sbatch"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\necho "Welcome to cluster 7: 128 nodes"\necho 2026\n{shutil.which("sbatch")} "$@"\nstatus=$?\n'
        'echo "13 of 99 hours used"\necho "Maintenance on 24.12." >&2\nexit $status\n'
    )
    wrapper.chmod(0o755)
    small.start("--set-resources", GPU, path=str(wrapper.parent))
    small.succeeds()


def test_a_stopped_run_submits_nothing_more_and_leaves_no_jobs(small):
    small.lab.run("scontrol", "update", "nodename=n1,n2", "state=drain", "reason=test")
    small.lab.accounting.limit_submissions(2)
    small.start("--set-resources", GPU)
    wait_for(lambda: bool(small.messages()), 60)
    assert len(small.lab.run("squeue", "-h").splitlines()) == 2
    os.killpg(small.process.pid, signal.SIGINT)
    assert small.process.wait(60) != 0
    wait_for(lambda: not small.lab.run("squeue", "-h"), 30)
    assert sum(small.submitted().values()) == 2
