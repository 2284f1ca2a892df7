"""What SLURM's executor plugin 2.8 does wrong without a setting against it, put right in the running Snakemake."""

import asyncio
import time
from typing import Any

# Final words of squeue that the plugin takes for "still running": it would wait for ever.
OVER = frozenset(["PREEMPTED", "REVOKED"])
# A question that fails at once, as where nothing listens, must not use up all attempts at once: 400 of them are an hour.
QUESTION_SECONDS = 9.0


def patch_min_job_age() -> int | None:
    """SLURM's MinJobAge in seconds, asked once; from then on the plugin is given this answer.

    The plugin asks before every look, and where the controller is away it takes the missing answer as a reason to change from squeue to
    sacct, which fails at once without accounting, after which it forgets all jobs. With squeue it tries again, as often as
    slurm-status-attempts says.
    """
    import snakemake_executor_plugin_slurm as plugin

    age = plugin.get_min_job_age()
    plugin.get_min_job_age = lambda: age
    return age


def patch_max_poll_interval(seconds: float) -> None:
    """Nothing; the plugin's pause between two looks no longer grows beyond this.

    Left alone it grows to 180 s, whatever MinJobAge is: a job that ends and is forgotten in between counts as running for ever.
    """
    import snakemake_executor_plugin_slurm as plugin

    pause = plugin.Executor.next_seconds_between_status_checks
    plugin.Executor.next_seconds_between_status_checks = property(
        pause.fget, lambda executor, value: pause.fset(executor, min(value, seconds))
    )


def patch_preempted_jobs(question_seconds: float = QUESTION_SECONDS) -> None:
    """Nothing; a job that ended pre-empted or revoked is cancelled to the plugin, which then submits it anew.

    Only when it is so at two looks in a row: on its way back to the queue a job may bear the word for a moment.
    """
    import snakemake_executor_plugin_slurm as plugin

    query, before = plugin.query_job_status, set()

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        nonlocal before
        asked = time.monotonic()
        states, seconds = await query(command, logger)
        if states is None:
            await asyncio.sleep(max(0.0, question_seconds - (time.monotonic() - asked)))
            return states, seconds
        over = {number for number, state in states.items() if state in OVER}
        states |= dict.fromkeys(over & before, "CANCELLED")
        before = over
        return states, seconds

    plugin.query_job_status = query_job_status
