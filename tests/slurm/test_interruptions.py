"""`snakemake --profile slurm` on a real SLURM: a complete run, and interrupted runs that lose no scores and give the same results."""

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


def test_a_run_with_the_unchanged_profile_gives_the_results_of_a_local_run(cluster, work):
    shutil.rmtree(work.run_dir)
    run = work.start(*QUICK, more=SAMPLES)
    ended(cluster, work, run, "none", 0, 0, 0)
    log, known = work.log(), cluster.run("scontrol", "show", "job", "-o").splitlines()
    for rule, count in (("score", 2), ("generate_images", 1)):
        matching = [job for job in known if f"Comment=rule_{rule}_" in job and "JobState=COMPLETED" in job]
        assert len(matching) >= count
        assert all("TresPerJob=gres:gpu:1" in job and "Partition=gpu" in job for job in matching)
    assert (work.root / SAMPLES).stat().st_size > 0
    # Downloads run on this machine, everything else in jobs.
    # Crops, encoding, generated images, two shards, replay, tables.
    assert submissions(log) == 7
    for name in ("retrieve_weights", "prepare_dataset"):
        assert f"rule_{name}/" not in log
    assert not list((work.root / "logs" / "slurm").glob("rule_retrieve_weights*"))


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"], ids=["signal before the limit", "at the limit"])
def test_a_job_that_exceeds_its_time_limit_continues(cluster, work, state):
    """With the profile's --signal, a job ends by itself before the limit; otherwise SLURM ends it with its usual signal."""
    # One minute more for --signal: SLURM may send it half a minute early, and a start takes that long on a busy machine.
    resources = {
        "TIMEOUT": ["score:slurm_partition=gpu", "score:runtime=attempt"],
        "FAILED": ["score:slurm_partition=gpu", "score:runtime=attempt + 1", "score:slurm_extra=--signal=TERM@5"],
    }
    run = work.start(*QUICK, "--set-resources", *resources[state], "--config", "flush_every=100000")

    def both_score() -> bool:
        return len(work.workers()) == 2 and sum("calls/s" in text for text in work.slurm_logs("score")) >= 2

    wait_for(both_score, 400)
    stopped = work.workers()
    for worker in stopped:  # as on a hanging disk; SLURM wakes them at the limit
        worker.suspend()
    ended(cluster, work, run, f"walltime, {state}", len(stopped), 0, 0)
    assert f"SLURM status is: '{state}'" in work.log() and submissions(work.log()) >= 6
    assert sum(cost["reused"] for cost in work.costs()) > 0, (
        "with such a long flush interval, only SIGTERM stores scores"
    )


def test_cancelled_jobs_are_submitted_again(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scancel", *killed)
    ended(cluster, work, run, "scancel", len(killed), FLUSH * len(killed), 0)
    assert sum(cost["reused"] for cost in work.costs()) > 0


def test_a_requeued_job_continues(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scontrol", "requeue", killed[0])
    ended(cluster, work, run, "requeue", 1, FLUSH, 0)
    assert submissions(work.log()) == 4, "the same SLURM job ran again"


def test_jobs_that_preemption_cancels_are_submitted_again(cluster, work):
    """The plugin expects SLURM to requeue a pre-empted job, which it does not with PreemptMode=CANCEL."""
    run = work.start(*QUICK, "--set-resources", "score:slurm_partition=spare")
    killed = in_the_middle(cluster, work, run)
    cluster.run("sbatch", "-p", "urgent", "-N", "2", "--gpus-per-node=1", "-o", "/dev/null", "--wrap", "sleep 2")
    wait_for(lambda: not set(killed) & set(jobs(cluster, "score", "RUNNING")), 60)
    ended(cluster, work, run, "pre-emption that cancels", 2, FLUSH * 2, 0)
    assert submissions(work.log()) == 6, "both shards were submitted twice"


def test_a_restarted_snakemake_waits_for_the_jobs_of_the_killed_one(cluster, work):
    run = work.start(*QUICK)
    left = in_the_middle(cluster, work, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    refused = work.start(*QUICK)
    assert refused.wait(120) == 1 and "--unlock" in work.log(), "the lock of the killed one still exists"
    assert work.start(*QUICK, "--unlock").wait(120) == 0
    again = work.start(*QUICK)
    wait_for(lambda: "jobs of an earlier run" in work.log(), 60)
    assert all(number in work.log() for number in left) and "scancel" in work.log()
    ended(cluster, work, again, "SIGKILL of snakemake, same command", 0, 0, 0)
    assert submissions(work.log()) == 2, "predictions and table: the shards were not submitted again"


def test_two_snakemakes_with_the_same_shards_score_them_once(cluster, work):
    """With --nolock, and on another executor, only the lock of each shard prevents duplicate work.

    The second Snakemake only makes the shards: in a common working folder, it would otherwise delete the outputs of the first one's later
    jobs before making them again.
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
    assert sum(cost["calls"] for cost in work.costs()) == 8 * 10 * 60, (
        "the second one did not overwrite the cost of the first"
    )


@pytest.mark.parametrize("away", [10, 75])
def test_a_run_survives_an_absent_controller(cluster, work, away):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_controller()
    time.sleep(away)
    assert run.poll() is None, work.log()[-3000:]
    cluster.start_controller()
    ended(cluster, work, run, f"slurmctld away for {away} s", 0, 0, 0)
    assert submissions(work.log()) == 4


def test_jobs_of_a_failed_node_are_submitted_again(cluster, work):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=down", "reason=power")
    wait_for(lambda: len(jobs(cluster, "score", "RUNNING")) <= 1, 60)
    cluster.start_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=resume", check=False)
    ended(cluster, work, run, "node fails", 1, FLUSH, 0)
