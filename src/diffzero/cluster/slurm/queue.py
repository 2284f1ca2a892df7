"""What the SLURM executor plugin 2.8 leaves open: settings with which it hangs, jobs that outlived their Snakemake, jobs lost from sight.

The Snakefile calls `guard` before anything is submitted. None of this is needed, or run, with another executor.
"""

import functools
import logging
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

log = logging.getLogger(__name__)
# States of squeue in which SLURM still means to do something with a job.
ALIVE = frozenset(
    [
        "PENDING",
        "CONFIGURING",
        "RUNNING",
        "COMPLETING",
        "SUSPENDED",
        "STOPPED",
        "SIGNALING",
        "STAGE_OUT",
        "RESIZING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
    ]
)
# Reasons for which a job waits that time does not cure: what it asks for is more than the site gives a single job, or not to be had.
HOPELESS = re.compile(
    r"Partition(TimeLimit|NodeLimit|Config)|BadConstraints|DependencyNeverSatisfied|MaxMemPerLimit"
    r"|AccountNotAllowed|InvalidAccount|InvalidQOS|QOSNotAllowed|(QOS|Assoc)(Max\w+Per(Job|Node)(Limit)?|Min\w+)"
)
# States, and a waiting job's reasons, that somebody's word ends: one may want that, so the run goes on and says so.
HELD_STATES = frozenset(["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
HELD = re.compile(r"(?i).*held.*|JobHoldMaxRequeue")  # JobHeldUser, JobHeldAdmin, "launch failed requeued held" ...
# The plugin names all jobs of a run alike, PREFIX_uuid; the comment, which says more, is the site's to change.
RUN_ID = re.compile(r"([\w-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QUERY_SECONDS = 60  # squeue itself gives up after 10-20 s without a controller


class SlurmError(RuntimeError):
    """SLURM, or how the plugin is set, makes a run impossible or endless; the message says what to type."""


@dataclass(frozen=True)
class Job:
    """A line of squeue."""

    number: str
    state: str
    name: str
    comment: str  # the plugin writes rule_NAME_wildcards_... here
    folder: str
    reason: str  # or, of a running job, its nodes


def query_slurm(*command: str) -> str:
    """What a command of SLURM prints. Raises SlurmError where it fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(
            f"{command[0]} did not answer: {error}. Does `sinfo` work here? Then type the same command again."
        ) from error
    if done.returncode:
        raise SlurmError(
            f"{command[0]}: {done.stderr.strip()}. Does `sinfo` work here? Then type the same command again."
        )
    return done.stdout


def list_jobs(folder: Path) -> list[Job]:
    """Snakemake's jobs of this user that were submitted from `folder` and are not over. Raises SlurmError without an answer."""
    fields = ["%i", "%T", "%j", "%k", "%Z", "%R"]
    # By number: a name in the environment may be anybody's.
    me = str(os.getuid())
    answer = query_slurm("squeue", "--noheader", "--user", me, "--states", "all", "--format", "\t".join(fields))
    jobs = [Job(*line.split("\t", 5)) for line in answer.splitlines() if line.count("\t") >= 5]
    here = os.path.realpath(folder)
    return [j for j in jobs if j.state in ALIVE and RUN_ID.fullmatch(j.name) and os.path.realpath(j.folder) == here]


@functools.cache
def partition_time_limit(partition: str) -> int | None:
    """The longest time in minutes that a partition gives a job; None where it does not say, or there is no such partition."""
    limits = query_slurm("sinfo", "--noheader", "--partition", partition, "--format", "%l").split()
    # Several lines where several partitions are named: SLURM may choose any. No match: "infinite".
    matches = [re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit) for limit in limits]
    found = [[int(part or 0) for part in match.groups()] for match in matches if match]
    return min(
        (max(1, (days * 24 + hours) * 60 + minutes + seconds // 60) for days, hours, minutes, seconds in found),
        default=None,
    )


def summarise_jobs(jobs: Sequence[Job]) -> str:
    """The jobs in a few words: how many in which state, and their numbers."""
    states = ", ".join(f"{count} {state}" for state, count in Counter(job.state for job in jobs).most_common())
    numbers = [job.number for job in jobs]
    return f"{states}: {' '.join(numbers[:20])}{' ...' if len(numbers) > 20 else ''}"


def check_settings(
    status_command: str | None, array_jobs: str | None, poll_seconds: int, min_job_age: int | None
) -> None:
    """Nothing. Raises SlurmError for settings with which plugin 2.8 waits for ever or loses results.

    `min_job_age` is SLURM's MinJobAge in seconds: how long squeue remembers a job that is over; None if SLURM does not say.
    """
    if array_jobs:
        raise SlurmError(
            f"found slurm-array-jobs '{array_jobs}', expected none: when a task of an array fails, plugin 2.8 deletes the output of "
            "the array's first task. Remove --slurm-array-jobs from the command or the profile."
        )
    if status_command != "squeue":
        raise SlurmError(
            f"found slurm-status-command '{status_command}', expected 'squeue': with sacct, plugin 2.8 waits for ever for a "
            "cancelled job, and for every job where SLURM keeps no accounts. Write `slurm-status-command: squeue` in slurm/config.yaml."
        )
    if min_job_age is None:
        raise SlurmError(
            "`scontrol show config` does not answer. Does `sinfo` work here? Then type the same command again."
        )
    if min_job_age < 3 * poll_seconds:
        raise SlurmError(
            f"SLURM forgets a finished job after {min_job_age} s (MinJobAge), and the plugin looks every {poll_seconds} s: expected three "
            f"looks. Write `slurm-init-seconds-before-status-checks: {max(1, min_job_age // 3)}` in slurm/config.yaml."
        )


def wait_for_earlier_jobs(folder: Path, say: Callable[[str], None], every: float = 10.0) -> bool:
    """Whether jobs of an earlier Snakemake were still under way; they are over when this returns.

    A Snakemake that was killed leaves its jobs behind. Submitting them again would do the work twice, so the new one waits.
    """
    told, waited = -float("inf"), False
    while jobs := list_jobs(folder):
        if time.monotonic() - told >= 60:
            told = time.monotonic()
            say(
                f"jobs of an earlier run from this folder are not over ({summarise_jobs(jobs)}; {jobs[0].reason}). Waiting for them, so "
                f"that their work is not repeated. To discard them instead: scancel {' '.join(job.number for job in jobs)}"
            )
        waited = True
        time.sleep(every)
    return waited


def has_local_jobs() -> bool:
    """Whether this process has children other than the plugin's questions to SLURM: a local job is running."""
    asking = {"squeue", "sacct", "scontrol", "sinfo", "sbatch"}
    for child in psutil.Process().children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and child.name() not in asking:
                return True
        except psutil.NoSuchProcess:
            continue
    return False


def find_unschedulable(jobs: Sequence[Job]) -> str | None:
    """Which jobs wait for what never comes, and what to do; None where there are none."""
    stuck = [job for job in jobs if job.state == "PENDING" and HOPELESS.fullmatch(job.reason.strip("()"))]
    if not stuck:
        return None
    job = stuck[0]
    return (
        f"job {job.number} ({job.comment}) can never start: {job.reason}. Compare `scontrol show job {job.number}` with "
        "`scontrol show partition` and change the site's lines in slurm/config.yaml (walltime_cap, slurm_partition, gpu_model). "
        "This run's jobs are cancelled; what they have scored is kept."
    )


def find_held(jobs: Sequence[Job]) -> str | None:
    """Which jobs wait for somebody's word, and what to type; None where there are none."""
    stuck = [
        job
        for job in jobs
        if job.state in HELD_STATES or (job.state == "PENDING" and HELD.fullmatch(job.reason.strip("()")))
    ]
    if not stuck:
        return None
    numbers = " ".join(job.number for job in stuck)
    return (
        f"jobs are held and do not start by themselves ({summarise_jobs(stuck)}; {stuck[0].reason}). The run waits. To let them start: "
        f"scontrol release {numbers}   To have them submitted anew: scancel {numbers}"
    )


class QueueMonitor(threading.Thread):
    """Ends a Snakemake that waits for what never comes: `lost` is called with the reason. Of held jobs `say` is told once a minute.

    Either a job can never start, or SLURM has had no job of this run for `patience` seconds while Snakemake waits.
    The plugin forgets its jobs when status queries fail for long, and never hears of one that left the queue unseen.
    """

    def __init__(
        self,
        folder: Path,
        lost: Callable[[str], None],
        say: Callable[[str], None],
        patience: float = 600.0,
        every: float = 30.0,
    ) -> None:
        super().__init__(name="slurm-watch", daemon=True)
        self.folder, self.lost, self.say, self.patience, self.every = folder, lost, say, patience, every
        self.ended = threading.Event()

    def run(self) -> None:
        """Look every `every` seconds until the run ends; tell `lost` once, and stop, when it cannot end by itself."""
        idle_since, doubt, told = time.monotonic(), None, -float("inf")
        while not self.ended.wait(self.every):
            try:
                jobs = list_jobs(self.folder)
            except SlurmError as error:
                log.warning("%s", error)
                idle_since = time.monotonic()  # nothing is known to be lost; jobs go on without a controller
                continue
            # Twice in a row: a job that was just submitted may bear a reason that the next look has cured.
            before, doubt = doubt, find_unschedulable(jobs)
            if doubt and doubt == before:
                self.lost(doubt)
                return
            waiting = find_held(jobs)
            if waiting and time.monotonic() - told >= 60:
                told = time.monotonic()
                self.say(waiting)
            if jobs or has_local_jobs():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.patience:
                self.lost(
                    f"SLURM has had no job of this run for {self.patience:.0f} s, and Snakemake waits for some: the plugin has lost "
                    "sight of them. What they have finished is kept."
                )
                return
