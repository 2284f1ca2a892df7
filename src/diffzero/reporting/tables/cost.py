"""The cost of the scores: calls, time, devices and memory."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from diffzero.analysis.load import load_costs
from diffzero.reporting.inputs import FULL_SCORES, ReportInputs
from diffzero.reporting.table_format import Layout, TableResult, format_number
from diffzero.reporting.tables.base import COST_SUMS

HEADER = (
    "Model", "Data set", "Calls", "Seconds", "GPU hours", "Calls per second", "Device", "Precision", "Batch size",
    "Peak memory (MB)", "Peak GPU memory (MB)",
)  # fmt: skip


def build_cost(costs: pd.DataFrame) -> pd.DataFrame:
    """Summarise the costs of shards (columns of `diffzero.analysis.load.load_costs`) by model and data set.

    Returns
    -------
    One row per (model, data set). Columns:

    - model, dataset (str).
    - calls, seconds, gpu_hours (float64): sums over shards.
    - calls_per_second (float64).
    - devices, dtypes, batch_sizes (str): every value that occurs, separated by commas.
    - calls_at_once (int64): the smallest of all jobs.
    - peak_memory_mb, peak_gpu_memory_mb (float64): the largest of all jobs.
    """
    groups = costs.groupby(["model", "dataset"], sort=False)
    table = groups[list(COST_SUMS)].sum(min_count=1)
    table["calls_per_second"] = table["calls"] / table["seconds"]
    for name in ("device", "dtype", "batch_size"):
        table[f"{name}s"] = groups[name].agg(lambda values: ", ".join(map(str, sorted(set(values)))))
    table["calls_at_once"] = groups["calls_at_once"].min()
    table = table.join(groups[["peak_memory_mb", "peak_gpu_memory_mb"]].max())
    return table.reset_index()


def _format_row(cell: pd.Series) -> list[str]:
    sizes = cell["batch_sizes"]
    if sizes and cell["calls_at_once"] < min(map(int, sizes.split(", "))):
        sizes += f" ({cell['calls_at_once']} at once)"
    return [
        cell["model"],
        cell["dataset"],
        format_number(cell["calls"], 0),
        format_number(cell["seconds"], 0),
        format_number(cell["gpu_hours"], 2),
        format_number(cell["calls_per_second"], 0),
        cell["devices"],
        cell["dtypes"],
        sizes,
        format_number(cell["peak_memory_mb"], 0),
        format_number(cell["peak_gpu_memory_mb"], 0),
    ]


def format_cost(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_cost`, with a last row of the sums (for memory, the maximum)."""
    rows = [_format_row(cell) for _, cell in table.iterrows()]
    if len(table):
        total: dict[str, Any] = dict.fromkeys(("dataset", "devices", "dtypes", "batch_sizes"), "")
        total |= {name: table[name].sum(min_count=1) for name in COST_SUMS}
        total["calls_per_second"] = total["calls"] / total["seconds"]
        total |= {name: table[name].max() for name in ("peak_memory_mb", "peak_gpu_memory_mb")}
        rows.append(_format_row(pd.Series({"model": "**all**", **total})))
    note = (
        "Sums over the cost files beside the score shards: calls and network seconds of every score in them, including scores that an "
        "earlier run computed. A score that several scorings share (the same model, prompt, image and draw) counts in each. "
        "GPU hours: the same seconds where the device was a GPU. Peak memory: the maximum over jobs, including the scores that a job "
        "reads from the store. `at once`: batches did not fit in memory and were evaluated in parts."
    )
    return [Layout("Cost of the scores", HEADER, rows, [note, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the cost of a run."""
    table = build_cost(load_costs(inputs.costs))
    notes = inputs.missing_notes("classification", "binding", "lewis", "ablations", FULL_SCORES)
    return TableResult(table, format_cost(table, notes))
