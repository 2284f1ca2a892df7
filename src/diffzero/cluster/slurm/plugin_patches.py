"""Corrections of SLURM's executor plugin 2.8 in the running Snakemake, for faults that no setting avoids.

Everything that touches the plugin's private names is in this file; `check_plugin_version` refuses versions that it was not written for.
"""

import asyncio
import time
from importlib.metadata import version
from typing import Any

from diffzero.cluster.slurm.queue import SlurmError

PLUGIN = "snakemake-executor-plugin-slurm"
SUPPORTED = "2.8.0"
# Final states of squeue that the plugin takes for "still running", so that it would wait for ever.
FINAL_STATES = frozenset(["PREEMPTED", "REVOKED"])
# The least duration of a query. Without it, queries that fail at once, as without a controller, would use up all attempts at once;
# 400 attempts of this length take an hour.
QUERY_SECONDS = 9.0


def check_plugin_version() -> None:
    """Raise SlurmError unless the installed plugin is the one that the patches were written for."""
    found = version(PLUGIN)
    if found.split(".")[:2] != SUPPORTED.split(".")[:2]:
        raise SlurmError(
            f"found {PLUGIN} {found}, expected {SUPPORTED}: diffzero corrects faults of that version. Type: "
            f"pip install '{PLUGIN}=={SUPPORTED}'"
        )


def patch_min_job_age() -> int | None:
    """Ask SLURM for MinJobAge once, make the plugin use this answer from then on, and return it.

    The plugin asks before every query of the queue. If the controller does not answer, the plugin changes from squeue to sacct,
    which fails at once without accounting, and then forgets all jobs. With squeue it repeats the query `slurm-status-attempts` times.

    Returns
    -------
    int or None
        Seconds for which squeue remembers a finished job; None if SLURM does not answer.
    """
    import snakemake_executor_plugin_slurm as plugin

    age: int | None = plugin.get_min_job_age()
    plugin.get_min_job_age = lambda: age
    return age


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
