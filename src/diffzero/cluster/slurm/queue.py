"""The SLURM queue of a run: its jobs, settings with which plugin 2.8 hangs, and jobs that cannot start by themselves."""

import functools
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffzero.cluster.slurm import settings
from diffzero.cluster.slurm.refusals import Answer, classify_refusal

# States of squeue in which a job is not over.
ACTIVE_STATES = frozenset(
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
# Reasons of a pending job that never end: it requests what does not exist, or more than the site allows for a single job.
UNSCHEDULABLE_REASONS = re.compile(
    r"Partition(TimeLimit|NodeLimit|Config)|BadConstraints|DependencyNeverSatisfied|MaxMemPerLimit"
    r"|AccountNotAllowed|InvalidAccount|InvalidQOS|QOSNotAllowed|(QOS|Assoc)(Max\w+Per(Job|Node)(Limit)?|Min\w+)"
)
# States, and reasons of a pending job, that only a user or administrator ends. They may be intended, so the run continues.
HELD_STATES = frozenset(["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
HELD_REASONS = re.compile(
    r"(?i).*held.*|JobHoldMaxRequeue"
)  # JobHeldUser, JobHeldAdmin, "launch failed requeued held" ...
# The plugin gives all jobs of a run the same name, PREFIX_uuid. The comment says more, but a site may change it.
RUN_ID = re.compile(r"([\w-]+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
QUERY_TIMEOUT = 60  # seconds; without a controller, squeue itself gives up after 10-20 s
MESSAGE_INTERVAL = 60.0  # seconds between two messages about the same wait


class SlurmError(RuntimeError):
    """SLURM or the settings of the plugin make a run impossible or endless."""


class SlurmUnreachableError(SlurmError):
    """A SLURM command does not work or has no answer."""

    @property
    def advice(self) -> str:
        """Return the message for a run that ends."""
        return f"{self}. Check that `sinfo` works here, then re-run the same command."


@dataclass(frozen=True)
class Job:
    """A line of squeue."""

    number: str
    state: str
    name: str
    comment: str  # written by the plugin: rule_NAME_wildcards_...
    working_dir: str
    reason: str  # of a running job: its nodes


def query_slurm(*command: str) -> str:
    """Run a SLURM command and return its output.

    Raises
    ------
    SlurmUnreachableError
        If the command fails or does not answer.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmUnreachableError(f"{command[0]} did not answer: {error}") from error
    if done.returncode:
        raise SlurmUnreachableError(f"{command[0]}: {done.stderr.strip().rstrip('.')}")
    return done.stdout


def query_patiently(*command: str) -> str:
    """Run a SLURM command again and again until the controller answers.

    Raises
    ------
    SlurmUnreachableError
        If the command does not exist, is wrong, or has no answer for as long as `settings.patience`.
    """
    start, pause, last_message = time.monotonic(), 1.0, -MESSAGE_INTERVAL
    while True:
        try:
            return query_slurm(*command)
        except SlurmUnreachableError as error:
            waited = time.monotonic() - start
            if classify_refusal(str(error)) is not Answer.UNANSWERED or waited >= settings.patience():
                raise
            if time.monotonic() - last_message >= MESSAGE_INTERVAL:
                last_message = time.monotonic()
                settings.print_message(
                    f"SLURM does not answer ({error}). The run waits for the controller and repeats the query."
                )
        time.sleep(min(pause, settings.poll_interval()))
        pause = min(2 * pause, 30.0)


def queue_command() -> list[str]:
    """Return the squeue command that lists this user's jobs in all states, for `parse_queue`."""
    fields = ["%i", "%T", "%j", "%k", "%Z", "%R"]
    # By number, because the user name in the environment may be wrong.
    return ["squeue", "--noheader", "--user", str(os.getuid()), "--states", "all", "--format", "\t".join(fields)]


def parse_queue(answer: str) -> list[Job]:
    """Return the jobs in an answer to `queue_command`."""
    return [Job(*line.split("\t", 5)) for line in answer.splitlines() if line.count("\t") >= 5]


def list_jobs(working_dir: Path, query: Callable[..., str] = query_slurm) -> list[Job]:
    """Return the active Snakemake jobs of this user that were submitted from a folder.

    Raises
    ------
    SlurmError
        If squeue does not answer.
    """
    here = os.path.realpath(working_dir)
    return [
        job
        for job in parse_queue(query(*queue_command()))
        if job.state in ACTIVE_STATES and RUN_ID.fullmatch(job.name) and os.path.realpath(job.working_dir) == here
    ]


def cancel_run(name: str) -> None:
    """Cancel all jobs of a run by its name, also those that Snakemake does not know."""
    query_slurm("scancel", "--user", str(os.getuid()), "--name", name)


@functools.cache
def partition_time_limit(partition: str, query: Callable[..., str] = query_slurm) -> int | None:
    """Return the time limit of a partition in minutes; None if it has none or does not exist.

    For several comma-separated partitions, the shortest limit counts, because SLURM may choose any.
    """
    limits = query("sinfo", "--noheader", "--partition", partition, "--format", "%l").split()
    # [days-][hours:]minutes:seconds; "infinite" does not match
    matches = [re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit) for limit in limits]
    parts = [[int(part or 0) for part in match.groups()] for match in matches if match]
    return min(
        (max(1, (days * 24 + hours) * 60 + minutes + seconds // 60) for days, hours, minutes, seconds in parts),
        default=None,
    )


def summarize_jobs(jobs: Sequence[Job]) -> str:
    """Return the number of jobs per state and the job numbers, for a message."""
    states = ", ".join(f"{count} {state}" for state, count in Counter(job.state for job in jobs).most_common())
    numbers = [job.number for job in jobs]
    return f"{states}: {' '.join(numbers[:20])}{' ...' if len(numbers) > 20 else ''}"


def find_min_job_age() -> int | None:
    """Return MinJobAge, the seconds for which squeue remembers a finished job; None if SLURM does not say."""
    match = re.search(r"^MinJobAge\s*=\s*(\d+)", query_patiently("scontrol", "show", "config"), re.MULTILINE)
    return int(match[1]) if match else None


def check_settings(
    status_command: str | None, array_jobs: str | None, poll_seconds: int, min_job_age: int | None
) -> int:
    """Check the settings of the plugin and return SLURM's MinJobAge.

    Parameters
    ----------
    status_command, array_jobs, poll_seconds
        The settings slurm-status-command, slurm-array-jobs and slurm-init-seconds-before-status-checks.
    min_job_age
        MinJobAge: seconds for which squeue remembers a finished job; None if SLURM does not answer.

    Raises
    ------
    SlurmError
        For settings with which plugin 2.8 waits for ever or loses results.
    """
    if array_jobs:
        raise SlurmError(
            f"found slurm-array-jobs '{array_jobs}', expected none: when a task of an array fails, plugin 2.8 deletes the output of "
            "the first task. Remove --slurm-array-jobs from the command or the profile."
        )
    if status_command != "squeue":
        raise SlurmError(
            f"found slurm-status-command '{status_command}', expected 'squeue': with sacct, plugin 2.8 waits for ever for "
            "cancelled jobs, and for all jobs if SLURM has no accounting. Write `slurm-status-command: squeue` in slurm/config.yaml."
        )
    if min_job_age is None:
        raise SlurmError(
            "`scontrol show config` does not show MinJobAge. Check that `sinfo` works here, then re-run the same command."
        )
    if min_job_age < 3 * poll_seconds:
        raise SlurmError(
            f"SLURM forgets a finished job after {min_job_age} s (MinJobAge), and the plugin queries the queue every {poll_seconds} s: "
            "expected at least three queries in that time. Write `slurm-init-seconds-before-status-checks: "
            f"{max(1, min_job_age // 3)}` in slurm/config.yaml."
        )
    return min_job_age


def wait_for_earlier_jobs(working_dir: Path, print_message: Callable[[str], None], poll_interval: float = 10.0) -> bool:
    """Wait until no jobs of an earlier Snakemake are active; return whether there were any.

    A killed Snakemake leaves its jobs behind. Submitting them again would do the work twice.
    """
    last_message, has_waited = -MESSAGE_INTERVAL, False
    while jobs := list_jobs(working_dir, query_patiently):
        if time.monotonic() - last_message >= MESSAGE_INTERVAL:
            last_message = time.monotonic()
            print_message(
                f"jobs of an earlier run from this folder are still active ({summarize_jobs(jobs)}; {jobs[0].reason}). Waiting for them, "
                f"so that their work is not repeated. To discard them instead: scancel {' '.join(job.number for job in jobs)}"
            )
        has_waited = True
        time.sleep(poll_interval)
    return has_waited


def find_unschedulable(jobs: Sequence[Job]) -> str | None:
    """Return a message about the first job that can never start, with the remedy; None if there is none."""
    stuck = [job for job in jobs if job.state == "PENDING" and UNSCHEDULABLE_REASONS.fullmatch(job.reason.strip("()"))]
    if not stuck:
        return None
    job = stuck[0]
    return (
        f"job {job.number} ({job.comment}) can never start: {job.reason}. Compare `scontrol show job {job.number}` with "
        "`scontrol show partition` and change the site's lines in slurm/config.yaml (walltime_cap, slurm_partition, gpu_model). "
        "The jobs of this run are cancelled; stored scores are kept."
    )


def find_held(jobs: Sequence[Job]) -> str | None:
    """Return a message about held jobs, with the commands that release or resubmit them; None if there are none."""
    stuck = [
        job
        for job in jobs
        if job.state in HELD_STATES or (job.state == "PENDING" and HELD_REASONS.fullmatch(job.reason.strip("()")))
    ]
    if not stuck:
        return None
    numbers = " ".join(job.number for job in stuck)
    return (
        f"jobs are held and do not start by themselves ({summarize_jobs(stuck)}; {stuck[0].reason}). The run waits. To start them: "
        f"scontrol release {numbers}   To submit them again: scancel {numbers}"
    )
