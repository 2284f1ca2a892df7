"""Requests that SLURM refuses for good, found before the first submission: one test per kind of job."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diffzero.cluster.slurm.queue import SlurmError, partition_time_limit, query_patiently
from diffzero.cluster.slurm.refusals import Answer, classify_refusal, explain_refusal
from diffzero.cluster.slurm.settings import PROFILE

TEST_TIMEOUT = 60  # seconds
# States of nodes that can run jobs; squeue adds a character for power saving and the like.
WORKING_STATES = frozenset(["idle", "mixed", "allocated", "completing"])


@dataclass
class JobKind:
    """Jobs whose sbatch options differ at most in time and memory, represented by one of them."""

    call: str
    resources: Mapping[str, object]
    rules: set[str]

    @property
    def request(self) -> tuple[int, int]:
        """Return minutes and megabytes, to compare requests."""
        minutes, megabytes = (self.resources.get(name) for name in ("runtime", "mem_mb"))
        return minutes if isinstance(minutes, int) else 0, megabytes if isinstance(megabytes, int) else 0


def group_jobs(jobs: Iterable[tuple[str, str, Mapping[str, object]]]) -> list[JobKind]:
    """Return the longest job of each kind, and the one with most memory if it is another.

    Parameters
    ----------
    jobs
        Rule, sbatch options and resources of each job.
    """
    groups: dict[str, list[JobKind]] = {}
    rules: dict[str, set[str]] = {}
    for rule, call, resources in jobs:
        key = re.sub(r" (-t|--mem) \S+", "", call)
        rules.setdefault(key, set()).add(rule)
        largest = [*groups.get(key, []), JobKind(call, resources, rules[key])]
        longest = max(largest, key=lambda kind: kind.request[0])
        widest = max(largest, key=lambda kind: kind.request[1])
        groups[key] = [longest] if longest.request == widest.request else [longest, widest]
    return [kind for group in groups.values() for kind in group]


def check_kinds(kinds: Iterable[JobKind]) -> None:
    """Test one job of each kind without submitting it.

    Raises
    ------
    SlurmError
        If SLURM refuses a kind for good. Refusals that may pass are left to the submission, which waits.
    """
    refusals = [message for kind in kinds if (message := check_time(kind) or check_request(kind))]
    if refusals:
        raise SlurmError("\n".join(dict.fromkeys(refusals)))


def check_time(kind: JobKind) -> str | None:
    """Return a message if a job asks for more time than its partition allows: sbatch may accept it, and it waits for ever."""
    partition, minutes = str(kind.resources.get("slurm_partition") or ""), kind.request[0]
    # Of several partitions, SLURM may choose the one with the longest limit.
    limit = partition_time_limit(partition, query_patiently) if partition and "," not in partition else None
    if limit is None or minutes <= limit:
        return None
    return (
        f"jobs of {', '.join(sorted(kind.rules))} can never start: found runtime: {minutes} minutes, expected at most {limit} in "
        f'partition {partition} (sinfo -o "%P %l"). Change runtime or slurm_partition (set-resources in {PROFILE}, or the command); '
        "without an own runtime, jobs respect the limit and walltime_cap. Then re-run the same command."
    )


def check_request(kind: JobKind) -> str | None:
    """Return a message if `sbatch --test-only` refuses a kind for good."""
    test = kind.call.replace("sbatch ", "sbatch --test-only ", 1) + " --wrap=true"
    try:
        done = subprocess.run(test, shell=True, capture_output=True, text=True, timeout=TEST_TIMEOUT)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode == 0 or classify_refusal(done.stderr) is not Answer.PERMANENT:
        return None
    # The test, unlike a submission, says the same of nodes that are drained or down at the moment.
    if "node configuration" in done.stderr and not is_in_service(str(kind.resources.get("slurm_partition") or "")):
        return None
    return explain_refusal(done.stderr, ", ".join(sorted(kind.rules)), kind.resources)


def is_in_service(partition: str) -> bool:
    """Return whether a partition is up and all its nodes can run jobs."""
    options = ["--partition", partition] if partition else []
    lines = query_patiently("sinfo", "--noheader", *options, "--format", "%a %T").splitlines()
    states = [line.split() for line in lines if line.strip()]
    return bool(states) and all(up == "up" and re.sub(r"\W", "", state) in WORKING_STATES for up, state in states)
