"""Checks and patches between Snakemake's plan and its first submission to SLURM."""

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from diffzero.cluster.slurm import plugin_patches, preflight, queue, settings
from diffzero.cluster.slurm.monitor import QueueMonitor
from diffzero.cluster.slurm.patch_versions import Patch, lost_promises, split_patches
from diffzero.cluster.slurm.settings import print_message
from diffzero.cluster.slurm.submission import Submitter
from diffzero.workflow import snakemake_internals

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

# Not SIGINT: a process that a script starts in the background ignores SIGINT, and would continue to wait.
STOP_SIGNAL = signal.SIGUSR2


def guard(workflow: "Workflow") -> None:
    """Prepare a run on SLURM: check settings and requests, wait for jobs of an earlier run, patch the plugin, monitor the queue.

    Exits with a message if the run would hang, do harm, or be refused. Restarts Snakemake after waiting for earlier jobs.

    Parameters
    ----------
    workflow
        Snakemake's workflow object, after planning and before the first job.
    """
    working_dir = snakemake_internals.working_directory(workflow)
    fitting, others = split_patches(plugin_patches.PATCHES)
    if lost := lost_promises(others):
        print_message(lost)
    try:
        min_job_age = check_plugin_settings(workflow)
        has_waited = queue.wait_for_earlier_jobs(working_dir, print_message)
    except queue.SlurmError as error:
        exit_with(error)
    if has_waited:
        # The plan was made while those jobs ran and would repeat their work.
        print_message("the earlier jobs have ended; starting again with a new plan.")
        snakemake_internals.release_lock(workflow)
        os.execv(sys.executable, [sys.executable, "-m", "snakemake", *sys.argv[1:]])
    signal.signal(STOP_SIGNAL, signal.default_int_handler)
    submitter = Submitter(end_run, print_message, min(60.0, settings.poll_interval()), settings.patience())
    apply_patches(fitting, min_job_age, submitter)
    if plugin_patches.SUBMISSION in fitting:
        check_requests(workflow)
    poll_interval = min(30.0, settings.poll_interval())
    QueueMonitor(working_dir, stop_run, print_message, settings.idle_timeout(), poll_interval, submitter).start()


def check_plugin_settings(workflow: "Workflow") -> int:
    """Check the settings of the plugin and return SLURM's MinJobAge.

    Raises
    ------
    SlurmError
        For settings with which the plugin waits for ever or loses results.
    """
    options = snakemake_internals.slurm_settings(workflow)
    return queue.check_settings(
        options.status_command, options.array_jobs, options.init_seconds_before_status_checks, queue.find_min_job_age()
    )


def check_requests(workflow: "Workflow") -> None:
    """End the run with one message if SLURM would refuse a kind of its jobs for good."""
    executor, jobs = snakemake_internals.slurm_executor(workflow), snakemake_internals.remote_jobs(workflow)
    try:
        preflight.check_kinds(preflight.group_jobs(plugin_patches.sbatch_options(executor, jobs)))
    except queue.SlurmError as error:
        exit_with(error)


def apply_patches(patches: list[Patch], min_job_age: int, submitter: Submitter) -> None:
    """Apply the patches that fit the installed plugin."""
    poll_interval = settings.poll_interval()
    apply: dict[Patch, Callable[[], None]] = {
        plugin_patches.MIN_JOB_AGE: lambda: plugin_patches.patch_min_job_age(min_job_age),
        plugin_patches.QUERY_INTERVAL: lambda: plugin_patches.patch_max_poll_interval(
            min(min_job_age // 3, poll_interval)
        ),
        plugin_patches.PREEMPTED_JOBS: plugin_patches.patch_preempted_jobs,
        plugin_patches.SUBMISSION: lambda: plugin_patches.patch_submission(submitter),
    }
    for patch in patches:
        apply[patch]()


def exit_with(error: queue.SlurmError) -> NoReturn:
    """Print the reason and exit."""
    print_message(error.advice if isinstance(error, queue.SlurmUnreachableError) else str(error))
    sys.exit(1)


def end_run(message: str) -> None:
    """End this Snakemake as Ctrl-C does, so that it releases its lock and cancels its jobs."""
    print_message(f"{message} This run ends; finished results are kept.")
    os.kill(os.getpid(), STOP_SIGNAL)


def stop_run(message: str) -> None:
    """End this Snakemake as Ctrl-C does, so that it releases its lock."""
    print_message(f"{message} Re-run the same command: it continues from there.")
    os.kill(os.getpid(), STOP_SIGNAL)
