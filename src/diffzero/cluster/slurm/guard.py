"""Checks and patches between Snakemake's plan and its first submission to SLURM."""

import os
import signal
import sys
from typing import TYPE_CHECKING

from diffzero.cluster.slurm import plugin_patches, queue
from diffzero.cluster.slurm.monitor import QueueMonitor
from diffzero.workflow import snakemake_internals

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

# Not SIGINT: a process that a script starts in the background ignores SIGINT, and would continue to wait.
STOP_SIGNAL = signal.SIGUSR2
IDLE_TIMEOUT = "DIFFZERO_SLURM_IDLE_TIMEOUT"  # seconds without any job after which a run counts as stuck
POLL_INTERVAL = "DIFFZERO_SLURM_POLL_INTERVAL"  # the most seconds between two queries of the queue


def guard(workflow: "Workflow") -> None:
    """Prepare a run on SLURM: check settings, wait for the jobs of an earlier run, patch the plugin and monitor the queue.

    Exits with a message if the run would hang or do harm. Restarts Snakemake after waiting for earlier jobs.

    Parameters
    ----------
    workflow
        Snakemake's workflow object, after planning and before the first job.
    """
    settings, working_dir = (
        snakemake_internals.slurm_settings(workflow),
        snakemake_internals.working_directory(workflow),
    )
    try:
        plugin_patches.check_plugin_version()
        min_job_age = queue.check_settings(
            settings.status_command,
            settings.array_jobs,
            settings.init_seconds_before_status_checks,
            plugin_patches.patch_min_job_age(),
        )
        has_waited = queue.wait_for_earlier_jobs(working_dir, print_message)
    except queue.SlurmError as error:
        print_message(str(error))
        sys.exit(1)
    if has_waited:
        # The plan was made while those jobs ran and would repeat their work.
        print_message("the earlier jobs have ended; starting again with a new plan.")
        snakemake_internals.release_lock(workflow)
        os.execv(sys.executable, [sys.executable, "-m", "snakemake", *sys.argv[1:]])
    poll_interval = float(os.environ.get(POLL_INTERVAL, "180"))
    plugin_patches.patch_max_poll_interval(min(min_job_age // 3, poll_interval))
    plugin_patches.patch_preempted_jobs()
    signal.signal(STOP_SIGNAL, signal.default_int_handler)
    idle_timeout = float(os.environ.get(IDLE_TIMEOUT, "600"))
    QueueMonitor(working_dir, stop_run, print_message, idle_timeout, min(30.0, poll_interval)).start()


def print_message(message: str) -> None:
    """Print to the terminal, where users look for the reason of a wait, and not to Snakemake's log."""
    print(f"diffzero: {message}", file=sys.stderr, flush=True)


def stop_run(message: str) -> None:
    """End this Snakemake as Ctrl-C does, so that it releases its lock."""
    print_message(f"{message} Re-run the same command: it continues from there.")
    os.kill(os.getpid(), STOP_SIGNAL)
