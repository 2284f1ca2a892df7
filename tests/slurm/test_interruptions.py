"""`snakemake --profile slurm` on a real SLURM: the chain, and its interruptions, after which nothing is lost and nothing differs."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from work import (
    CONFIG,
    FLUSH,
    QUICK,
    ended,
    environment,
    in_the_middle,
    jobs,
    needs_slurm,
    submissions,
    wait_for,
)

needs_slurm()
SAMPLES = "results/slurm/samples/mini-sd/digits.safetensors"


def test_the_chain_runs_as_the_profile_stands_and_gives_what_a_local_run_gives(cluster, work):
    shutil.rmtree(work.folder)
    run = work.start(*QUICK, more=SAMPLES)
    ended(cluster, work, run, "none", 0, 0, 0)
    log, known = work.log(), cluster.run("scontrol", "show", "job", "-o").splitlines()
    for rule, count in (("score", 2), ("samples", 1)):
        asked = [job for job in known if f"Comment=rule_{rule}_" in job and "JobState=COMPLETED" in job]
        assert len(asked) >= count and all("TresPerJob=gres:gpu:1" in job and "Partition=gpu" in job for job in asked)
    assert (work.root / SAMPLES).stat().st_size > 0
    # Downloads run here, all else in jobs.
    assert submissions(log) == 8
    for name in ("weights", "dataset"):
        assert f"rule_{name}/" not in log
    assert not list((work.root / "logs" / "slurm").glob("rule_weights*"))


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"], ids=["told before", "at the limit"])
def test_a_walltime_that_is_exceeded(cluster, work, state):
    """With the profile's --signal a job ends by itself before the limit; without, SLURM ends it with the signal that it gives all."""
    # The second needs a minute more: SLURM tells a job half a minute early, and on a busy machine a start takes that long.
    asked = {
        "TIMEOUT": ["score:slurm_partition=gpu", "score:runtime=attempt"],
        "FAILED": ["score:slurm_partition=gpu", "score:runtime=attempt + 1", "score:slurm_extra=--signal=TERM@5"],
    }
    run = work.start(*QUICK, "--set-resources", *asked[state], "--config", "flush_every=100000")

    def has_local_jobs() -> bool:
        return len(work.workers()) == 2 and sum("calls/s" in text for text in work.slurm_logs("score")) >= 2

    wait_for(has_local_jobs, 400)
    stopped = work.workers()
    for worker in stopped:  # as on a disk that hangs; SLURM itself wakes them when their minute is over
        worker.suspend()
    ended(cluster, work, run, f"walltime, {state}", len(stopped), 0, 0)
    assert f"SLURM status is: '{state}'" in work.log() and submissions(work.log()) >= 6
    assert sum(cost["reused"] for cost in work.costs()) > 0, "with so long a flush interval, only SIGTERM has stored"


def test_scancel_of_running_jobs(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scancel", *killed)
    ended(cluster, work, run, "scancel", len(killed), FLUSH * len(killed), 0)
    assert sum(cost["reused"] for cost in work.costs()) > 0


def test_requeue(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scontrol", "requeue", killed[0])
    ended(cluster, work, run, "requeue", 1, FLUSH, 0)
    assert submissions(work.log()) == 4, "the same SLURM job ran again"


def test_preemption_that_cancels(cluster, work):
    """The plugin leaves a job that was pre-empted to SLURM, which with PreemptMode=CANCEL does nothing more."""
    run = work.start(*QUICK, "--set-resources", "score:slurm_partition=spare")
    killed = in_the_middle(cluster, work, run)
    cluster.run("sbatch", "-p", "urgent", "-N", "2", "--gpus-per-node=1", "-o", "/dev/null", "--wrap", "sleep 2")
    wait_for(lambda: not set(killed) & set(jobs(cluster, "score", "RUNNING")), 60)
    ended(cluster, work, run, "pre-emption that cancels", 2, FLUSH * 2, 0)
    assert submissions(work.log()) == 6, "both shards a second time"


def test_a_killed_snakemake_started_again_waits_for_the_jobs_it_left_behind(cluster, work):
    run = work.start(*QUICK)
    left = in_the_middle(cluster, work, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    refused = work.start(*QUICK)
    assert refused.wait(120) == 1 and "--unlock" in work.log(), "the lock of the killed one is there"
    assert work.start(*QUICK, "--unlock").wait(120) == 0
    again = work.start(*QUICK)
    wait_for(lambda: "jobs of an earlier run" in work.log(), 60)
    assert all(number in work.log() for number in left) and "scancel" in work.log()
    ended(cluster, work, again, "SIGKILL of snakemake, same command", 0, 0, 0)
    assert submissions(work.log()) == 2, "predictions and table: the shards were not submitted again"


def test_two_snakemakes_that_submit_the_same_shards_score_them_once(cluster, work):
    """--nolock and a wait that does not see the other's jobs: the lease of each shard is the last line.

    The second asks for the shards alone: with one working folder for both, Snakemake itself takes away what the other's later
    jobs have made before it makes it again.
    """
    run = work.start(*QUICK)
    first = in_the_middle(cluster, work, run)
    script = [
        sys.executable,
        "-m",
        "snakemake",
        "scores",
        "--cores",
        "2",
        "--configfile",
        CONFIG,
        "--nolock",
        "--rerun-incomplete",
    ]
    other = subprocess.run(script, cwd=work.root, env=environment(), capture_output=True, text=True, timeout=400)
    assert other.returncode == 0, other.stderr[-3000:]
    assert run.wait(300) == 0, work.log()[-3000:]
    assert len(first) == 2 and work.results() == work.expected
    assert work.stored() == (8 * 10 * 60, 0)


@pytest.mark.parametrize("away", [10, 75])
def test_a_controller_that_is_away(cluster, work, away):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_controller()
    time.sleep(away)
    assert run.poll() is None, work.log()[-3000:]
    cluster.start_controller()
    ended(cluster, work, run, f"slurmctld away for {away} s", 0, 0, 0)
    assert submissions(work.log()) == 4


def test_a_node_that_fails(cluster, work):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=down", "reason=power")
    wait_for(lambda: len(jobs(cluster, "score", "RUNNING")) <= 1, 60)
    cluster.start_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=resume", check=False)
    ended(cluster, work, run, "node fails", 1, FLUSH, 0)
