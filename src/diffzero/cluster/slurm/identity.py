"""How a job of a run is recognised in the queue: by the number that sbatch prints, or by the run's name and a comment."""

import hashlib
import re
from collections.abc import Iterable, Sequence, Set

from diffzero.cluster.slurm.queue import Job


def parse_job_number(output: str) -> str | None:
    """Return the job number in the output of `sbatch --parsable`; None if the output holds anything else."""
    match = re.fullmatch(r"(\d+)(?:;\S+)?", output.strip())
    return match[1] if match else None


def output_digest(outputs: Iterable[str]) -> str:
    """Return a short digest of a job's outputs: two jobs of a run with the same digest would write the same files."""
    return hashlib.sha256("\0".join(outputs).encode()).hexdigest()[:12]


def is_refused(job: Job) -> bool:
    """Return whether a job is the trace of a submission that SLURM refused: squeue shows it as failed."""
    return job.state == "FAILED" and job.reason.strip("()") == "BadConstraints"


def find_submitted_job(jobs: Sequence[Job], name: str, comment: str, known: Set[str]) -> str | None:
    """Return the number of the newest job with a name and comment that is not known yet, in any state; None without one."""
    found = [
        job.number
        for job in jobs
        if (job.name, job.comment) == (name, comment) and job.number not in known and not is_refused(job)
    ]
    return max(found, key=int, default=None)


def job_comment(comment: str, outputs: Iterable[str]) -> str:
    """Return the comment of a job: the plugin's, which different outputs may share, and a digest of the outputs."""
    return f"{comment}_{output_digest(outputs)}"
