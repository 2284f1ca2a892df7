"""Write the plan of a run as Markdown."""

from collections.abc import Iterable, Sequence

import numpy as np

from diffzero.binding.lewis import LEWIS
from diffzero.config import CostEstimate
from diffzero.workflow.paths import SCENES
from diffzero.workflow.plan import NO_PILOT, Estimate, Plan, QueueSchedule

ESTIMATE_COLUMNS = (
    "model",
    "data set",
    "race",
    "images",
    "races",
    "classes",
    "calls per image",
    "calls",
    "reached max_scores",
    "from",
    "calls/s",
    "GPU-hours",
    "shards",
    "minutes per shard",
)
SCHEDULE_COLUMNS = ("calls per shard", "jobs", "longest job (min)", "end after (h)", "GPU-hours including starts")


def plan_to_markdown(plan: Plan, settings: CostEstimate, walltime: int | None = None) -> str:
    """Return the plan as Markdown. `walltime` is the time limit of a cluster job in minutes."""
    lines = [*_table(ESTIMATE_COLUMNS, map(_row, plan.estimates)), ""]
    total, hours = sum(e.calls for e in plan.estimates), sum(e.hours for e in plan.estimates)
    lines.append(
        f"{total:,.0f} calls in total, {hours:.3g} hours on {settings.device}; {plan.stored:,.0f} of them are in the store, "
        f"{sum(e.hours_left for e in plan.estimates):.3g} hours remain."
    )
    lines += _too_long(plan.estimates, walltime)
    if plan.hours_outside_scoring:
        each = ", ".join(f"{name} {hours:.3g}" for name, hours in plan.hours_outside_scoring.items())
        lines.append(f"Hours outside scoring, from FLOPs in float32, at most: {each}.")
    lines += _unmeasured(plan.estimates)
    errors = [e.expected.standard_error for e in plan.estimates if e.expected.standard_error > 0]  # NaN without a pilot
    if errors:
        lines.append(f"Standard error of the measured part: {np.sqrt(np.square(errors).sum()):,.0f} calls.")
    lines += [f"Speed: {text}." for text in dict.fromkeys(f"{e.model}: {e.speed_source}" for e in plan.estimates)]
    lines += [f"Disk: about {plan.disk_gb:.3g} GB of scores.", ""]
    lines += [
        f"Remaining work with {settings.gpus} GPUs at a time and {settings.start_seconds:g} s to start a job:",
        "",
    ]
    lines += _table(SCHEDULE_COLUMNS, map(_schedule_row, plan.schedules))
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return head + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _row(e: Estimate) -> tuple[object, ...]:
    """Return the cells of one scoring."""
    return (
        e.model,
        f"{e.dataset}, seed {e.seed}",
        e.race,
        e.images,
        e.races,
        e.classes,
        f"{e.calls / max(e.images, 1):.0f}",
        f"{e.calls:,.0f}",
        _reached_max_scores(e),
        e.expected.source,
        f"{e.calls_per_s:.3g}",
        f"{e.hours:.3g}",
        e.shards,
        f"{60 * e.hours / e.shards:.3g}",
    )


def _reached_max_scores(e: Estimate) -> str:
    """Return the share of races that reach max_scores, or without a pilot the calls if all races do."""
    if e.expected.source == NO_PILOT:
        return f"at most all: {e.most:,.0f} calls"
    return "" if np.isnan(e.expected.reached_max_scores) else f"{e.expected.reached_max_scores:.0%}"


def _schedule_row(s: QueueSchedule) -> tuple[object, ...]:
    """Return the cells of one shard size; the configured one is bold."""
    size = f"**{s.max_calls_per_job:,}**" if s.is_configured else f"{s.max_calls_per_job:,}"
    return size, s.jobs, f"{s.longest_s / 60:.3g}", f"{s.end_s / 3600:.3g}", f"{s.busy_s / 3600:.3g}"


def _unmeasured(estimates: Sequence[Estimate]) -> list[str]:
    """Return notes on scorings without a pilot; for the binding tasks, whose cost varies most, with the range."""
    guessed = [e for e in estimates if e.expected.source == NO_PILOT]
    if not guessed:
        return []
    lines = [
        'Some numbers of calls are estimates from the minimum. A pilot measures them: see docs/cluster.md, "Estimate the cost".'
    ]
    if binding := [e for e in guessed if e.dataset in (SCENES, LEWIS)]:
        low, mean, high = (sum(getattr(e, name) for e in binding) for name in ("floor", "calls", "most"))
        hours = sum(e.most / e.calls_per_s for e in binding) / 3600
        lines.append(
            f"The {mean:,.0f} calls of the binding tasks are such a guess. They lie between {low:,.0f} (every race decided at "
            f"min_scores) and {high:,.0f} ({hours:.3g} hours: every race reaches max_scores, as most races of weak models are)."
        )
    return lines


def _too_long(estimates: Sequence[Estimate], walltime: int | None) -> list[str]:
    """Return a warning if shards take longer than a job may, with the setting to change."""
    if walltime is None:
        return []
    long = [(60 * e.hours / e.shards, e) for e in estimates if 60 * e.hours / e.shards > walltime]
    if not long:
        return []
    minutes, worst = max(long, key=lambda pair: pair[0])
    return [
        f"**{len(long)} scorings have shards longer than the {walltime} minutes of a job**, {worst.model} on {worst.dataset} with "
        f"{minutes:.0f}: such a job is stopped and continued several times. Lower `max_calls_per_job` to about "
        f"{worst.calls / worst.shards * 0.5 * walltime / minutes:,.0f}."
    ]
