"""A monitor of the SLURM queue: it ends a run that waits for jobs that cannot start or do not exist any more."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from diffzero.cluster.slurm.queue import (
    MESSAGE_INTERVAL,
    SlurmError,
    find_held,
    find_unschedulable,
    list_jobs,
    query_slurm,
)
from diffzero.cluster.slurm.submission import Submitter

log = logging.getLogger(__name__)
SLURM_COMMANDS = frozenset(["squeue", "sacct", "scontrol", "sinfo", "sbatch"])


class QueueMonitor(threading.Thread):
    """A thread that ends a run which would wait for ever, and reports held jobs.

    A run waits for ever if a job can never start, or if the plugin waits for jobs that SLURM does not have: it forgets its jobs when
    queries fail for long, and does not notice a job that left the queue between two queries.

    Parameters
    ----------
    working_dir
        The folder from which jobs were submitted.
    stop_run
        Called once, with the reason, if the run cannot end by itself.
    print_message
        Called once per minute while jobs are held.
    idle_timeout
        Seconds without any job, here or in SLURM, after which the run counts as stuck.
    poll_interval
        Seconds between two queries of the queue.
    submitter
        Submits the jobs of this run; those that wait for their submission are not lost.
    """

    def __init__(
        self,
        working_dir: Path,
        stop_run: Callable[[str], None],
        print_message: Callable[[str], None],
        idle_timeout: float = 600.0,
        poll_interval: float = 30.0,
        submitter: Submitter | None = None,
    ) -> None:
        super().__init__(name="slurm-monitor", daemon=True)
        self.working_dir, self.stop_run, self.print_message = working_dir, stop_run, print_message
        self.idle_timeout, self.poll_interval = idle_timeout, poll_interval
        self.submitter, self.ended = submitter, threading.Event()

    def run(self) -> None:
        """Query the queue until the run ends or has to be stopped."""
        idle_since, last_message = time.monotonic(), -MESSAGE_INTERVAL
        unschedulable: str | None = None
        while not self.ended.wait(self.poll_interval):
            try:
                jobs = list_jobs(self.working_dir)
            except SlurmError as error:
                log.warning("%s", error)
                idle_since = time.monotonic()  # jobs may be running: they do not need a controller
                continue
            # Only if two queries in a row agree: the reason of a job that was just submitted may be temporary.
            before, unschedulable = unschedulable, find_unschedulable(jobs)
            if unschedulable and unschedulable == before:
                self.stop_run(unschedulable)
                return
            if (held := find_held(jobs)) and time.monotonic() - last_message >= MESSAGE_INTERVAL:
                last_message = time.monotonic()
                self.print_message(held)
            if self.submitter and (duplicates := self.submitter.find_duplicates(jobs)):
                self.cancel(duplicates)
            if jobs or has_local_jobs() or (self.submitter and self.submitter.count_waiting()):
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.idle_timeout:
                self.stop_run(
                    f"SLURM has had no job of this run for {self.idle_timeout:.0f} s, but Snakemake waits for some: the plugin has lost "
                    "track of them. Finished results are kept."
                )
                return

    def cancel(self, numbers: list[str]) -> None:
        """Cancel jobs that a submission without an answer has left beside their successors."""
        self.print_message(f"cancelling {' '.join(numbers)}: other jobs of this run make the same outputs.")
        try:
            query_slurm("scancel", *numbers)
        except SlurmError as error:
            log.warning("%s", error)


def has_local_jobs() -> bool:
    """Return whether this process runs a local job: any child that is not one of the plugin's SLURM commands."""
    for child in psutil.Process().children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and child.name() not in SLURM_COMMANDS:
                return True
        except psutil.NoSuchProcess:
            continue
    return False
