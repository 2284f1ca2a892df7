"""The guard on a real SLURM: a run that would hang or lose results ends with a message, and a wait is explained."""

import time

import pytest
from work import CONFIG, QUICK, ended, in_the_middle, jobs, needs_slurm, wait_for

from diffzero.cluster.slurm.guard import STOP_SIGNAL

needs_slurm()


def test_a_run_whose_jobs_the_plugin_loses_ends_with_a_message_and_the_same_command_continues(cluster, work):
    run = work.start(*QUICK, "--slurm-status-attempts", "1", DIFFZERO_SLURM_IDLE_TIMEOUT="20")
    in_the_middle(cluster, work, run)
    cluster.stop_controller()
    time.sleep(40)
    cluster.start_controller()
    assert run.wait(300) != 0
    assert "lost track" in work.log() and "Re-run the same command" in work.log(), work.log()[-3000:]
    ended(cluster, work, work.start(*QUICK), "plugin loses its jobs", 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--slurm-status-command", "sacct"], "expected 'squeue'"),
        (["--slurm-array-jobs", "score"], "deletes the output"),
        (["--slurm-init-seconds-before-status-checks", "2000"], "slurm-init-seconds-before-status-checks: 1200"),
    ],
    ids=["sacct", "arrays", "polls too rarely"],
)
def test_settings_with_which_the_plugin_fails_are_refused(cluster, work, arguments, words):
    run = work.start("--configfile", CONFIG, *arguments)
    assert run.wait(120) == 1
    assert words in work.log() and "Traceback" not in work.log() and not jobs(cluster)


def test_a_job_that_can_never_start_ends_the_run_with_a_message(cluster, work):
    # Of two partitions, SLURM may choose the one with the longer limit: only the queue says that both are too short.
    run = work.start(*QUICK, "--set-resources", "score:slurm_partition=gpu,spare", "score:runtime=5000")
    assert run.wait(300) != 0
    assert "can never start" in work.log() and "walltime_cap" in work.log(), work.log()[-3000:]
    wait_for(lambda: not jobs(cluster), 60)


def test_a_run_whose_controller_stays_away_ends_with_a_message(cluster, work):
    cluster.stop_controller()
    try:
        run = work.start(*QUICK, DIFFZERO_SLURM_PATIENCE="10")
        assert run.wait(200) == 1
        assert "Check that `sinfo` works here" in work.log() and "Traceback" not in work.log(), work.log()[-3000:]
    finally:
        cluster.start_controller()
        cluster.wait_idle()


def test_a_failed_job_names_an_existing_log_with_the_reason(cluster, work):
    run = work.start(*QUICK, "--retries", "0", "--config", "store=README.md/store")
    assert run.wait(300) == 1
    named = [
        line.split("log:")[1].split("(")[0].strip()
        for line in work.log().splitlines()
        if line.strip().startswith("log:")
    ]
    assert any(
        (work.root / name).is_file() and "README.md/store" in (work.root / name).read_text() for name in named
    ), work.log()[-3000:]
    assert "not finished. Cost so far" in work.log()


def test_held_jobs_are_reported_with_the_command_that_releases_them(cluster, work):
    cluster.run("scontrol", "update", "nodename=n1,n2", "state=drain", "reason=test")
    try:
        run = work.start(*QUICK)
        wait_for(lambda: len(jobs(cluster, "score", "PENDING")) == 2)
        waiting = jobs(cluster, "score")
        for number in waiting:
            cluster.run("scontrol", "hold", number)
        wait_for(lambda: "scontrol release" in work.log(), 60)
        assert all(number in work.log() for number in waiting) and "JobHeld" in work.log()
        run.send_signal(STOP_SIGNAL)
        assert run.wait(60) != 0
    finally:
        cluster.run("scontrol", "update", "nodename=n1,n2", "state=resume")
    wait_for(lambda: not jobs(cluster), 60)
