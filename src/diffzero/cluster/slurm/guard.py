"""The guard before a run on SLURM: what of diffzero.cluster.slurm.queue must happen between Snakemake's plan and its first submission."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from diffzero.cluster.slurm import plugin_patches, queue

log = logging.getLogger(__name__)
# Not SIGINT itself: what a script starts in the background inherits that as ignored, and would go on hanging.
STOP = signal.SIGUSR2
PATIENCE = "DIFFZERO_SLURM_IDLE_TIMEOUT"  # seconds without any job before a run counts as hanging
LOOK = "DIFFZERO_SLURM_POLL_INTERVAL"  # most seconds between two looks at the queue


def say(message: str) -> None:
    """To the terminal: Snakemake's own log is not the place where one looks for the reason of a wait."""
    print(f"diffzero: {message}", file=sys.stderr, flush=True)


def stop(message: str) -> None:
    """End this Snakemake as Ctrl-C does: its lock is released."""
    say(f"{message} Type the same command again: it goes on from there.")
    os.kill(os.getpid(), STOP)


def guard(workflow: Any) -> None:
    """Nothing. Exits with a message where a run would hang or harm; starts Snakemake anew when it has waited for earlier jobs.

    `workflow` is Snakemake's, between its plan (DAG) and its first job.
    """
    settings, folder = workflow.executor_settings, Path(workflow.workdir_init)
    try:
        age = plugin_patches.patch_min_job_age()
        queue.check_settings(
            settings.status_command, settings.array_jobs, settings.init_seconds_before_status_checks, age
        )
        waited = queue.wait_for_earlier_jobs(folder, say)
    except queue.SlurmError as error:
        say(str(error))
        sys.exit(1)
    if waited:
        # The plan was made while those jobs ran and would do them again. A new Snakemake makes a new one.
        say("the earlier jobs are over; planning anew.")
        workflow.persistence.unlock()
        os.execv(sys.executable, [sys.executable, "-m", "snakemake", *sys.argv[1:]])
    look = float(os.environ.get(LOOK, "180"))
    plugin_patches.patch_max_poll_interval(min(age // 3, look))
    plugin_patches.patch_preempted_jobs()
    signal.signal(STOP, signal.default_int_handler)
    queue.QueueMonitor(folder, stop, say, float(os.environ.get(PATIENCE, "600")), min(30.0, look)).start()
