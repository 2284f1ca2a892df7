"""Write the plan of a run as Markdown that is readable on a terminal of 100 columns."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from diffzero.binding.lewis import LEWIS
from diffzero.config import CostEstimate
from diffzero.workflow.paths import SCENES
from diffzero.workflow.plan import Estimate, Plan
from diffzero.workflow.plan_calls import NO_PILOT
from diffzero.workflow.plan_shards import JobLimit, QueueSchedule

TERMINAL_COLUMNS = 100
CALL_COLUMNS = ("scoring", "classes", "least", "expected", "most", "based on", "at max")
TIME_COLUMNS = ("scoring", "images", "shards", "hours", "at most", "longest", "continued")
SCHEDULE_COLUMNS = ("calls per shard", "jobs", "longest job", "end after", "GPU-hours with starts", "within limit")
UNKNOWN = "unknown"


def plan_to_markdown(plan: Plan, settings: CostEstimate) -> str:
    """Return the plan as Markdown."""
    lines = []
    for model in dict.fromkeys(e.scoring.model for e in plan.estimates):
        lines += _model_section(model, [e for e in plan.estimates if e.scoring.model == model], plan, settings)
    lines += ["## Total", ""]
    for text in [*_totals(plan, settings), *_unmeasured(plan.estimates), *_outside(plan)]:
        lines += _paragraph(text)
    lines += _limit(plan, settings)
    assumption = f"{settings.start_seconds:g} s to start a job (assumed)"
    lines += _paragraph(f"Remaining work with {settings.gpus} GPUs at a time and {assumption}, simulated:")
    lines += _table(SCHEDULE_COLUMNS, [_schedule_row(schedule, plan.limit) for schedule in plan.schedules])
    return "\n".join(lines) + "\n"


def _model_section(model: str, estimates: Sequence[Estimate], plan: Plan, settings: CostEstimate) -> list[str]:
    """Return the heading, the speed and the two tables of one model."""
    names = _scoring_names(estimates)
    speed = estimates[0].speed
    rate = "" if math.isnan(speed.calls_per_s) else f"{round_number(speed.calls_per_s)} calls/s, "
    rows = [_time_row(name, e, plan.limit, settings) for name, e in zip(names, estimates, strict=True)]
    return [
        f"## {model} on {settings.device}",
        "",
        *_paragraph(f"Speed: {rate}{speed.source}."),
        *_table(CALL_COLUMNS, [_call_row(name, e) for name, e in zip(names, estimates, strict=True)]),
        "",
        *_table(TIME_COLUMNS, rows),
        "",
    ]


def _scoring_names(estimates: Sequence[Estimate]) -> list[str]:
    """Return the names of the scorings of one model, by which their rows are told apart: data set, and what else differs."""
    seeds = {e.scoring.seed for e in estimates}
    full = [f"{e.scoring.dataset}, {_noise(e)} {e.scoring.policy.slug}" for e in estimates]
    names = [
        full[k] if e.scoring.n_images else e.scoring.dataset + (f", seed {e.scoring.seed}" if len(seeds) > 1 else "")
        for k, e in enumerate(estimates)
    ]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{e.scoring.dataset}, seed {e.scoring.seed}, {e.scoring.slug}"
        for name, e in zip(names, estimates, strict=True)
    ]


def _noise(e: Estimate) -> str:
    return "unshared" if e.scoring.unshared else "shared"


def _call_row(name: str, e: Estimate) -> tuple[str, ...]:
    """Return the cells of one scoring in the table of calls."""
    reached = e.expected.reached_max_scores
    calls = (format_calls(count) for count in (e.work.floor, e.calls, e.work.most))
    return name, str(e.work.classes), *calls, e.expected.source, "" if math.isnan(reached) else f"{reached:.0%}"


def _time_row(name: str, e: Estimate, limit: JobLimit | None, settings: CostEstimate) -> tuple[str, ...]:
    """Return the cells of one scoring in the table of hours."""
    start = settings.start_seconds
    longest = e.longest_s and e.longest_s + start
    continued = ""
    if limit is not None and not math.isnan(e.longest_s):
        least, most = (limit.continuations(seconds, start) for seconds in (e.longest_s, e.most_longest_s))
        continued = " to ".join(dict.fromkeys(f"{count:g}" if count < 1000 else "> 999" for count in (least, most)))
    hours = (format_hours(e.hours), format_hours(e.most_hours))
    return name, f"{e.work.images:,}", f"{e.shards:,}", *hours, format_minutes(longest), continued


def _schedule_row(s: QueueSchedule, limit: JobLimit | None) -> tuple[str, ...]:
    """Return the cells of one shard size; the configured one is bold."""
    size = f"**{s.max_calls_per_job:,}**" if s.is_configured else f"{s.max_calls_per_job:,}"
    fits = "" if limit is None else "no" if s.longest_s > limit.work_seconds(0) else "yes"
    longest = format_minutes(s.longest_s)
    return size, f"{s.jobs:,}", longest, format_hours(s.end_s / 3600), format_hours(s.busy_s / 3600), fits


def _totals(plan: Plan, settings: CostEstimate) -> list[str]:
    """Return the sums over all scorings."""
    least, calls, most = (
        sum(values) for values in zip(*((e.work.floor, e.calls, e.work.most) for e in plan.estimates), strict=True)
    )
    known = [e for e in plan.estimates if not math.isnan(e.hours)]
    hours, most_hours, left = (sum(getattr(e, name) for e in known) for name in ("hours", "most_hours", "hours_left"))
    texts = [
        f"Calls: {calls:,.0f} expected, at least {least:,.0f}, at most {most:,.0f}; {plan.stored:,.0f} of them are in the store.",
        f"Time of the network on {settings.device}: {format_hours(hours)} expected, at most {format_hours(most_hours)}; "
        f"{format_hours(left)} remain.",
    ]
    if unknown := dict.fromkeys(e.scoring.model for e in plan.estimates if math.isnan(e.hours)):
        texts.append(f"Hours, shards and schedules are without {', '.join(unknown)}, whose speed is unknown.")
    errors = [e.expected.standard_error for e in plan.estimates if e.expected.standard_error > 0]  # NaN without a pilot
    if errors:
        texts.append(f"Standard error of the measured calls: {np.sqrt(np.square(errors).sum()):,.0f}.")
    texts.append(
        f"Disk: about {round_number(plan.disk_gb)} GB of scores (16 bytes per score, as measured in the demo)."
    )
    return texts


def _unmeasured(estimates: Sequence[Estimate]) -> list[str]:
    """Return notes on scorings without a pilot; for the binding tasks, whose cost varies most, with the range."""
    guessed = [e for e in estimates if e.expected.source == NO_PILOT]
    if not guessed:
        return []
    lines = [
        "`assumed` calls are estimates: under Algorithm 1 three times the minimum, at `least` if every race is decided at "
        'min_scores, at `most` if every race reaches max_scores. A pilot measures them: see docs/cluster.md, "Estimate the cost".'
    ]
    if binding := [e for e in guessed if e.scoring.dataset in (SCENES, LEWIS)]:
        low, high = (sum(getattr(e.work, name) for e in binding) for name in ("floor", "most"))
        mean, hours = sum(e.calls for e in binding), sum(e.most_hours for e in binding)
        lines.append(
            f"The {mean:,.0f} calls of the binding tasks are such a guess. They lie between {low:,.0f} and {high:,.0f} "
            f"({format_hours(hours)}: every race reaches max_scores, as most races of weak models do)."
        )
    return lines


def _outside(plan: Plan) -> list[str]:
    """Return the hours of encoders and baselines."""
    if not plan.hours_outside_scoring:
        return []
    each = ", ".join(f"{name} {format_hours(hours)}" for name, hours in plan.hours_outside_scoring.items())
    return [
        f"Outside scoring at most: {each} (assumed: Stable Diffusion's VAE, T5-XXL where the YAML has no text_parameters, and "
        "CLIP ViT-L/14, in float32)."
    ]


def _limit(plan: Plan, settings: CostEstimate) -> list[str]:
    """Return the time limit of the site, and which shards it interrupts."""
    if plan.limit is None:
        return []
    lines = _paragraph(f"Limit of a job: {plan.limit.minutes:,} minutes ({plan.limit.source}).")
    for note in plan.limit.notes:
        lines += _paragraph(note)
    if message := describe_too_long(plan, settings):
        return lines + _paragraph(f"**Error**: {message}")
    return lines


def describe_too_long(plan: Plan, settings: CostEstimate) -> str:
    """Return the message about shards that outlast a job, with the settings that fit; "" if there are none."""
    long, limit = plan.too_long(settings.start_seconds), plan.limit
    if not long or limit is None:
        return ""
    worst, start = long[0], settings.start_seconds
    needed = limit.continuations(worst.longest_s, start)
    message = (
        f"{len(long)} of {len(plan.estimates)} scorings have shards that outlast the {limit.minutes:,} minutes of a job. The longest, "
        f"{worst.scoring.model} on {worst.scoring.dataset}, takes {format_minutes(worst.longest_s + start)}. Continuations from the "
        f"store that it needs: {needed:g}; retries that the profile allows: {limit.retries}. "
    )
    if not plan.suggestions:
        return f"{message}No shard size fits, because one image takes longer. Raise `walltime_cap`, or lower the policy's max_scores."
    options = (
        f"`{s.key}` to {s.value:,} ({s.jobs:,} jobs{f', of which {s.longer:,} may still be continued' if s.longer else ''})"
        for s in plan.suggestions
    )
    return f"{message}Lower {' or '.join(options)}."


def round_number(value: float) -> str:
    """Return a number with three significant digits and thousands separators, without an exponent."""
    if math.isnan(value):
        return UNKNOWN
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.{max(0, digits)}f}" if digits <= 5 else "< 0.00001"


def format_calls(calls: float) -> str:
    """Return a number of calls: exact below a million, else three digits in millions."""
    return f"{calls:,.0f}" if calls < 1e6 else f"{round_number(calls / 1e6)} M"


def format_hours(hours: float) -> str:
    """Return hours with their unit."""
    if hours >= 1e6:
        return f"{round_number(hours / 1e6)} M h"
    return UNKNOWN if math.isnan(hours) else "< 0.01 h" if 0 < hours < 0.005 else f"{round_number(hours)} h"


def format_minutes(seconds: float) -> str:
    """Return seconds as minutes with their unit, or as hours if there are many."""
    if seconds >= 6e5:
        return format_hours(seconds / 3600)
    return UNKNOWN if math.isnan(seconds) else "< 0.1 min" if 0 < seconds < 3 else f"{round_number(seconds / 60)} min"


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(text, TERMINAL_COLUMNS, break_long_words=False, break_on_hyphens=False), ""]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, padded so that its columns are aligned on a terminal; numbers to the right."""
    grid = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(row[k]) for row in grid) for k in range(len(columns))]
    lines = [
        "| "
        + " | ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        + " |"
        for row in grid
    ]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:])]) + "|"
    return [lines[0], rule, *lines[1:]]
