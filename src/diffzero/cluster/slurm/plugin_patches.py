"""Corrections of SLURM's executor plugin 2.8 in the running Snakemake, for faults that no setting avoids.

Everything that touches the plugin's private names is in this file. Each patch states the fault, where it is reported, and the versions of
the plugin that it was checked with; with another version it is not applied, and the run says what it can no longer promise.
"""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from diffzero.cluster.slurm.identity import job_comment
from diffzero.cluster.slurm.patch_versions import Patch
from diffzero.cluster.slurm.queue import SlurmError, cancel_run
from diffzero.cluster.slurm.refusals import Answer, classify_refusal, explain_refusal
from diffzero.cluster.slurm.submission import RefusedError, Submission, Submitter

ISSUES = "https://github.com/snakemake/snakemake-executor-plugin-slurm/issues"
# Final states of squeue that the plugin takes for "still running", so that it would wait for ever.
FINAL_STATES = frozenset(["PREEMPTED", "REVOKED"])
# The least duration of a query. Without it, queries that fail at once, as without a controller, would use up all attempts at once;
# 400 attempts of this length take an hour.
QUERY_SECONDS = 9.0


MIN_JOB_AGE = Patch(
    fault="changes from squeue to sacct while the controller is away, and then forgets all jobs",
    upstream=f"{ISSUES}/207",
    promise="it survives a controller that is away",
    names=("get_min_job_age",),
)
QUERY_INTERVAL = Patch(
    fault="queries every 180 s whatever MinJobAge is, and waits for ever for a job that squeue has forgotten",
    upstream=f"{ISSUES}/207",
    promise="it notices every job that ends",
    names=("Executor.next_seconds_between_status_checks",),
)
PREEMPTED_JOBS = Patch(
    fault="leaves pre-empted jobs to SLURM, which does not requeue them with PreemptMode=CANCEL",
    upstream=f"{ISSUES}/109",
    promise="pre-empted jobs are submitted again",
    names=("query_job_status",),
)
SUBMISSION = Patch(
    fault="reports every failed sbatch as a failed job, and repeats submissions that had no answer",
    upstream=f"{ISSUES}/313 and {ISSUES}/320",
    promise="refused jobs wait without using up attempts, a permanent refusal ends the run with one message, and no output has two jobs",
    names=(
        "subprocess.Popen",
        "get_submit_command",
        "set_gres_string",
        "validate_slurm_extra",
        "validate_account",
        "get_account",
        "Executor.run_job",
        "Executor.get_account_arg",
        "Executor.get_partition_arg",
        "Executor.cancel_jobs",
    ),
)
PATCHES = (MIN_JOB_AGE, QUERY_INTERVAL, PREEMPTED_JOBS, SUBMISSION)


def patch_min_job_age(age: int) -> None:
    """Make the plugin use this MinJobAge instead of asking SLURM before every query of the queue.

    If the controller does not answer, the plugin changes from squeue to sacct, which fails at once without accounting, and then forgets all
    jobs. With squeue it repeats the query `slurm-status-attempts` times.
    """
    import snakemake_executor_plugin_slurm as plugin

    plugin.get_min_job_age = lambda: age


def patch_max_poll_interval(seconds: float) -> None:
    """Limit the plugin's interval between two queries of the queue.

    The plugin would increase the interval to 180 s for any MinJobAge. A job that ends and is forgotten between two queries would count
    as running for ever.
    """
    import snakemake_executor_plugin_slurm as plugin

    interval = plugin.Executor.next_seconds_between_status_checks
    plugin.Executor.next_seconds_between_status_checks = property(
        interval.fget, lambda executor, value: interval.fset(executor, min(value, seconds))
    )


def patch_preempted_jobs(query_seconds: float = QUERY_SECONDS) -> None:
    """Report a pre-empted or revoked job to the plugin as cancelled, so that it is submitted again.

    A job is reported after two queries in a row, because a job on its way back to the queue may have such a state for a moment.

    Parameters
    ----------
    query_seconds
        The least duration of a query that fails.
    """
    import snakemake_executor_plugin_slurm as plugin

    original_query = plugin.query_job_status
    ended_before: set[str] = set()

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        """Query as the plugin does, slower after a failure; a job that ended in two queries in a row counts as cancelled."""
        nonlocal ended_before
        start = time.monotonic()
        states, seconds = await original_query(command, logger)
        if states is None:
            await asyncio.sleep(max(0.0, query_seconds - (time.monotonic() - start)))
            return states, seconds
        ended = {number for number, state in states.items() if state in FINAL_STATES}
        states |= dict.fromkeys(ended & ended_before, "CANCELLED")
        ended_before = ended
        return states, seconds

    plugin.query_job_status = query_job_status


def patch_submission(submitter: Submitter) -> None:
    """Let the submitter run sbatch for the plugin, and end a cancelled run without jobs left in the queue."""
    import snakemake_executor_plugin_slurm as plugin

    plugin.Executor.run_job = _submitting(plugin.Executor.run_job, submitter)
    plugin.Executor.cancel_jobs = _stopping(plugin.Executor.cancel_jobs, submitter)
    plugin.get_submit_command = _refusing(_commenting(plugin.get_submit_command, submitter))
    plugin.set_gres_string = _refusing(plugin.set_gres_string)
    plugin.validate_slurm_extra = _refusing(plugin.validate_slurm_extra)
    plugin.Executor.get_partition_arg = _refusing(plugin.Executor.get_partition_arg)
    # The controller knows the valid accounts. The plugin asks the database, which may be away, once per job.
    plugin.validate_account = lambda account, logger: account
    plugin.get_account = _without_sacct(plugin.get_account)
    plugin.subprocess = _Subprocess(submitter)


def _submitting(run_job: Callable[..., None], submitter: Submitter) -> Callable[..., None]:
    """Return the plugin's submission of a job, which waits while SLURM refuses jobs of its kind."""

    def submit_job(executor: Any, job: Any) -> None:
        submission = Submission(_key(job.resources), job.name, job.resources, executor.run_uuid)
        enqueue = partial(executor._job_submission_executor.submit, executor.run_job, job)
        submitter.submit(id(job), submission, partial(run_job, executor, job), enqueue)

    return submit_job


def _commenting(get_submit_command: Callable[..., str], submitter: Submitter) -> Callable[..., str]:
    """Return the plugin's builder of sbatch calls, with a comment that identifies the job's outputs."""

    def build(job: Any, parameters: dict[str, Any], *args: Any, **options: Any) -> str:
        comment = job_comment(parameters["comment_str"], job.output)
        if (submission := getattr(submitter.current, "submission", None)) is not None:
            submission.comment = comment
        return get_submit_command(job, parameters | {"comment_str": comment}, *args, **options)

    return build


def _stopping(cancel_jobs: Callable[..., None], submitter: Submitter) -> Callable[..., None]:
    """Return the plugin's cancellation, which first stops submissions: the plugin would submit what is left afterwards."""

    def cancel(executor: Any, active_jobs: list[Any]) -> None:
        """Stop submissions, then cancel all jobs of the run."""
        submitter.stop()
        executor._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        with executor.lock:
            active_jobs = list({id(info): info for info in [*active_jobs, *executor.active_jobs]}.values())
        cancel_jobs(executor, active_jobs)
        if submitter.known_numbers or submitter.submissions:
            with suppress(SlurmError):  # as without a controller: the next run waits for these jobs
                cancel_run(executor.run_uuid)

    return cancel


def sbatch_options(executor: Any, jobs: Iterable[Any]) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """Yield rule, sbatch options and resources of jobs that were not submitted yet; `patch_submission` comes first.

    Raises
    ------
    SlurmError
        If the plugin itself refuses a job.
    """
    import snakemake_executor_plugin_slurm as plugin

    options = executor.workflow.executor_settings
    for job in jobs:
        try:
            plugin.validate_slurm_extra(job)
            parameters = {
                "run_uuid": executor.run_uuid,
                "slurm_logfile": os.devnull,
                "comment_str": "test",
                "account": next(executor.get_account_arg(job)),
                "partition": executor.get_partition_arg(job),
                "workdir": None,
            }
            call = plugin.get_submit_command(job, parameters, settings=options) + plugin.set_gres_string(job)
        except RefusedError as refusal:
            raise SlurmError(explain_refusal(refusal.text, job.name, job.resources)) from refusal
        # Without the comment, which differs between jobs.
        yield job.name, re.sub(r" --comment \S+", "", call), job.resources


def _key(resources: Mapping[str, Any]) -> str:
    """Return what jobs share that meet the same limits."""
    return " ".join(str(resources.get(name)) for name in ("slurm_partition", "slurm_account", "qos", "gpu_model"))


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the plugin whose errors count as a refusal of the job, not as its failure."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        """Call the function; raise RefusedError for any error."""
        try:
            return function(*args, **options)
        except Exception as error:
            answer = classify_refusal(str(error))
            raise RefusedError(str(error), Answer.PERMANENT if answer is Answer.UNKNOWN else answer) from error

    return call


def _without_sacct(get_account: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """Return a function that guesses no account where sacct is not installed."""

    def guess(logger: Any) -> str | None:
        try:
            return get_account(logger)
        except OSError:
            return None

    return guess


class _Subprocess:
    """The module `subprocess` for the plugin, with a Popen that submits a job."""

    def __init__(self, submitter: Submitter) -> None:
        self.submitter = submitter

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, call: str, **_: Any) -> "_Sbatch":  # noqa: N802, the name in subprocess
        """Return an sbatch process."""
        return _Sbatch(self.submitter, call)


@dataclass
class _Sbatch:
    """An sbatch process for the plugin: it prints a job number and succeeds, or raises RefusedError."""

    submitter: Submitter
    call: str
    returncode: int = 0

    def communicate(self, input: str | None = None) -> tuple[str, str]:
        """Submit the job and return its number as output."""
        return self.submitter.call_sbatch(self.call, input), ""
