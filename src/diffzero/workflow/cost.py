"""Sum up the cost of a run from the cost files beside its score shards."""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from diffzero.utils.commands import snakemake_command
from diffzero.utils.provenance import ResultFileError
from diffzero.utils.result_files import read_record

log = logging.getLogger(__name__)
SHARD_COST_COLUMNS = ["model", "dataset", "seed", "device", "images", "calls", "reused", "seconds", "network_seconds"]


def read_costs(scores: Path) -> pd.DataFrame:
    """Return one row per finished shard below a run's `scores` folder.

    Parameters
    ----------
    scores : Path
        Folder with files {model}/{dataset}/seed{seed}/{race}/{shard}.json.

    Returns
    -------
    pd.DataFrame
        SHARD_COST_COLUMNS: `model`, `dataset` and `device` are strings; `seed`, `images`, `calls` (made by the job) and `reused`
        (scores that the job read from the store) are integers; `seconds` of the job and `network_seconds` are floats.
    """
    rows = []
    for path in sorted(scores.glob("*/*/seed*/*/*.json")):
        model, dataset, seed = path.relative_to(scores).parts[:3]
        try:
            cost = read_record(path)
        except FileNotFoundError:  # Snakemake deletes the file of a job that it runs again
            continue
        except (OSError, ResultFileError) as error:
            log.warning("Not counted: %s", error)
            continue
        key = {"model": model, "dataset": dataset, "seed": int(seed.removeprefix("seed"))}
        rows.append(key | {name: cost[name] for name in SHARD_COST_COLUMNS[3:]})
    return pd.DataFrame(rows, columns=SHARD_COST_COLUMNS)


def summarise(scores: Path) -> str:
    """Return the cost of a run so far, one clause per device."""
    table = read_costs(scores)
    if table.empty:
        return f"no shard is finished yet (searched {scores})."
    clauses = []
    for device, rows in table.groupby("device", sort=True):
        calls = int((rows["calls"] + rows["reused"]).sum())
        hours = rows["network_seconds"].sum() / 3600
        clauses.append(
            f"{len(rows)} shards, {int(rows['images'].sum())} images, {calls:,} scores in {hours:.3g} hours of the network on {device} "
            f"({int(rows['reused'].sum()):,} of them read from the store)"
        )
    return "; ".join(clauses) + "."


def closing_message(scores: Path, argv: Sequence[str], tables: str, success: bool) -> str:
    """Return the message that ends a run: its cost so far and the command that extends or continues it.

    `argv` is the command line of this Snakemake, `tables` the folder of the result tables.
    """
    cost, command = summarise(scores), shlex.join([snakemake_command(), *argv[1:]])
    if success:
        return (
            f"diffzero: done. Cost so far: {cost}\nTables: {tables}. "
            f"To extend the run, add a model or a seed to the configuration and run: {command}"
        )
    return (
        f"diffzero: not finished. Cost so far: {cost}\nAll computed scores are kept. The logs of the failed jobs are named above, after "
        f"`log:`. To continue, run: {command}"
    )
