"""Table 3 as a figure."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffzero.binding.tasks import TASKS
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import (
    STYLE,
    add_chance_line,
    dashed_handle,
    error_bars,
    format_range,
    marker_style,
    new_figure,
    series_offsets,
)
from diffzero.reporting.inputs import ReportInputs

KIND_TITLES = {"recognition": "Recognition", "pair": "Pair: both objects", "binding": "Binding: one object"}


def _plot_tasks(axes: Axes, cells: pd.DataFrame, tasks: Sequence[str], models: Sequence[str]) -> None:
    """Plot one row per task with a mark and an interval for each model, the first task on top."""
    for index, (model, offset) in enumerate(zip(models, series_offsets(len(models)), strict=True)):
        part = cells[cells["model"] == model].set_index("task").reindex(list(tasks))
        accuracy, rows = 100 * part["accuracy"].to_numpy(), np.arange(len(tasks)) + offset
        reach = error_bars(part, "accuracy")
        axes.errorbar(accuracy, rows, xerr=reach, label=model, elinewidth=1.1, **marker_style(index))
    add_chance_line(axes)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlim(0, 102)
    axes.grid(axis="y", visible=False)


@matplotlib.rc_context(STYLE)
def draw_binding(table: pd.DataFrame, split: str = "seen") -> Figure:
    """Draw Table 3: the accuracy of each task and model with its interval, one panel per kind of task; chance is dashed.

    Parameters
    ----------
    table
        From `diffzero.reporting.tables.table3_binding.build_table3`.
    split
        seen, held-out or all.

    Raises
    ------
    ValueError
        If the split has no decision.
    """
    cells = table[(table["split"] == split) & (table["n"] > 0)]
    if cells.empty:
        known = sorted(set(table.loc[table["n"] > 0, "split"]))
        raise ValueError(f"Table 3: found no decision on the split {split!r}, expected one of the splits {known}.")
    models = list(table["model"].unique())
    shown = [task for task in TASKS if task.name in set(cells["task"])]
    panels = {kind: [task.name for task in shown if task.kind == kind] for kind in KIND_TITLES}
    panels = {kind: tasks for kind, tasks in panels.items() if tasks}
    heights = [len(tasks) for tasks in panels.values()]
    figure = new_figure(6.4, 0.3 * sum(heights) + 1.6)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[n + 0.6 for n in heights])
    for axes, (kind, tasks) in zip(grid[:, 0], panels.items(), strict=True):
        _plot_tasks(axes, cells, tasks, models)
        axes.set_title(KIND_TITLES[kind], loc="left")
    combinations = "all" if split == "all" else f"only {split}"
    counts = format_range(cells["n"])
    grid[-1, 0].set_xlabel(f"Accuracy (%), {combinations} combinations, 95 % intervals, {counts} decisions per mark")
    handles = [*grid[0, 0].get_legend_handles_labels()[0], dashed_handle("chance")]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw Table 3 of a run, with all combinations."""
    return FigureResult(draw_binding(inputs.load_table("table3"), "all"))
