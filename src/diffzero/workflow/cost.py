"""What a run has cost so far, from the cost files beside its score shards."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

COLUMNS = ["model", "dataset", "seed", "device", "images", "calls", "reused", "seconds", "network_seconds"]


def spending(scores: Path) -> pd.DataFrame:
    """One row a finished shard below `scores` ({model}/{dataset}/seed{seed}/{race}/{shard}.json): COLUMNS."""
    rows = []
    for path in sorted(scores.glob("*/*/seed*/*/*.json")):
        model, dataset, seed = path.relative_to(scores).parts[:3]
        try:
            cost = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a job is just being run again, and Snakemake has deleted it
            continue
        facts = {"model": model, "dataset": dataset, "seed": int(seed.removeprefix("seed"))}
        rows.append(facts | {name: cost[name] for name in COLUMNS[3:]})
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(scores: Path) -> str:
    """The run's cost so far in one sentence a device."""
    table = spending(scores)
    if table.empty:
        return f"no shard is finished yet (looked in {scores})."
    lines = []
    for device, mine in table.groupby("device", sort=True):
        calls = int((mine["calls"] + mine["reused"]).sum())
        hours = mine["network_seconds"].sum() / 3600
        lines.append(
            f"{len(mine)} shards, {int(mine['images'].sum())} images, {calls:,} scores in {hours:.3g} hours of the network on {device} "
            f"({int(mine['reused'].sum()):,} of them found in the store)"
        )
    return "; ".join(lines) + "."


def command(argv: Sequence[str]) -> str:
    """The command line that was typed, as it can be typed again."""
    return shlex.join(["snakemake", *argv[1:]])


def closing_words(scores: Path, argv: Sequence[str], tables: str) -> tuple[str, str]:
    """What a run says when it ends well, and when it does not."""
    spent, again = summary(scores), command(argv)
    done = (
        f"diffzero: done. Cost so far: {spent}\nTables: {tables}. "
        f"To extend the run, add a model or a seed to the configuration and type: {again}"
    )
    stuck = (
        f"diffzero: not finished. Cost so far: {spent}\nEverything scored is kept. The failed jobs' logs are named above, after `log:`. "
        f"To go on, type: {again}"
    )
    return done, stuck
