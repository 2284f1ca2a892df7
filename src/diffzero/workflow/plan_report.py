"""The plan of a run as one reads it."""

import numpy as np

from diffzero.binding.lewis import LEWIS
from diffzero.workflow.experiment import SCENES
from diffzero.workflow.plan import NO_PILOT, Estimate, Plan

COLUMNS = [
    "model",
    "data set",
    "race",
    "images",
    "races",
    "classes",
    "calls an image",
    "calls",
    "undecided",
    "from",
    "calls/s",
    "GPU-hours",
    "shards",
    "minutes a shard",
]


def _undecided(e: Estimate) -> str:
    """The share of undecided races, or what they may cost at the most while nobody knows it."""
    if e.calls_from == NO_PILOT:
        return f"at most all: {e.most:,.0f} calls"
    return "" if np.isnan(e.undecided) else f"{e.undecided:.0%}"


def _unmeasured(plan: Plan) -> list[str]:
    """What to know of scorings without a pilot; of the binding tasks, where undecided races decide the cost, its range."""
    guessed = [e for e in plan.estimates if e.calls_from == NO_PILOT]
    if not guessed:
        return []
    lines = ['Some calls are a guess from the floor. A pilot measures them: docs/cluster.md, "Plan".']
    if binding := [e for e in guessed if e.dataset in (SCENES, LEWIS)]:
        low, mean, high = (sum(getattr(e, name) for e in binding) for name in ("floor", "calls", "most"))
        hours = sum(e.most / e.calls_per_s for e in binding) / 3600
        lines.append(
            f"The binding tasks' {mean:,.0f} calls are such a guess. They lie between {low:,.0f} (every race decided at min_scores) "
            f"and {high:,.0f} ({hours:.3g} hours: every race undecided at max_scores, as weak models leave most)."
        )
    return lines


def _too_long(plan: Plan, walltime: int | None) -> list[str]:
    """Which shards take longer than a job may, and what to change."""
    minutes = {e: 60 * e.hours / e.shards for e in plan.estimates}
    long = [e for e in plan.estimates if walltime and minutes[e] > walltime]
    if not long:
        return []
    worst = max(long, key=minutes.get)
    return [
        f"**{len(long)} scorings have shards longer than the {walltime} minutes of a job**, {worst.model} on {worst.dataset} with "
        f"{minutes[worst]:.0f}: such a job is stopped and continued several times. Lower `shard_calls` to about "
        f"{worst.calls / worst.shards * 0.5 * walltime / minutes[worst]:,.0f}."
    ]


def to_markdown(plan: Plan, settings, walltime: int | None = None) -> str:
    """The plan as one reads it. `walltime`: minutes that a cluster job may take."""
    total = sum(e.calls for e in plan.estimates)
    known = [e.standard_error for e in plan.estimates if e.standard_error > 0]  # nan without a pilot
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    for e in plan.estimates:
        an_image = f"{e.calls / max(e.images, 1):.0f}"
        cells = (
            e.model,
            f"{e.dataset}, seed {e.seed}",
            e.race,
            e.images,
            e.races,
            e.classes,
            an_image,
            f"{e.calls:,.0f}",
        )
        cells += (_undecided(e), e.calls_from, f"{e.calls_per_s:.3g}", f"{e.hours:.3g}", e.shards)
        lines.append("| " + " | ".join(map(str, (*cells, f"{60 * e.hours / e.shards:.3g}"))) + " |")
    hours, left = sum(e.hours for e in plan.estimates), sum(e.hours_left for e in plan.estimates)
    lines += [
        "",
        f"In all {total:,.0f} calls, {hours:.3g} hours on {settings.device}; {plan.scored:,.0f} calls of them are paid for, "
        f"{left:.3g} hours are left.",
    ]
    lines += _too_long(plan, walltime)
    if plan.preparation:
        once = ", ".join(f"{name} {hours:.3g}" for name, hours in plan.preparation.items())
        lines.append(f"Hours beside scoring, from FLOPs in float32, at most: {once}.")
    lines += _unmeasured(plan)
    if known:
        lines.append(f"Standard error of the measured part: {np.sqrt(np.square(known).sum()):,.0f} calls.")
    lines += [f"Speed: {text}." for text in dict.fromkeys(f"{e.model}: {e.speed_from}" for e in plan.estimates)]
    lines += [f"Disk: about {plan.disk_gb:.3g} GB of scores.", ""]
    lines += [f"What is left, with {settings.gpus} GPUs at a time and {settings.start_seconds:g} s to start a job:", ""]
    lines += [
        "| calls a shard | jobs | longest job (min) | end after (h) | GPU-hours, starts included |",
        "|" + " --- |" * 5,
    ]
    for q in plan.queues:
        size = f"**{q.shard_calls:,}**" if q.chosen else f"{q.shard_calls:,}"
        lines.append(f"| {size} | {q.jobs} | {q.longest_s / 60:.3g} | {q.end_s / 3600:.3g} | {q.busy_s / 3600:.3g} |")
    return "\n".join(lines) + "\n"
