"""The controlled comparison on seen and held-out combinations."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, add_chance_line, add_model_legend, new_figure, plot_intervals
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.tables.table3_controlled import build_controlled


@matplotlib.rc_context(STYLE)
def draw_controlled(table: pd.DataFrame) -> Figure:
    """Draw the accuracy of each kind of task, seen and held-out combinations side by side; chance is dashed.

    Parameters
    ----------
    table
        From `diffzero.reporting.tables.table3_controlled.build_controlled`.
    """
    models, kinds = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["kind"]))
    figure = new_figure(7.0, 0.2 * len(kinds) * max(len(models), 3) + 1.5)
    grid = figure.subplots(1, 2, sharey=True)
    for axes, split in zip(grid, ("seen", "held-out"), strict=True):
        part = table[(table["split"] == split) & (table["n"] > 0)]
        plot_intervals(axes, part.assign(row=part["kind"].map(kinds.index)), models, "accuracy")
        add_chance_line(axes)
        axes.set(xlim=(-2, 102), ylim=(len(kinds) - 0.5, -0.5), xlabel="Accuracy (%), 95 % intervals")
        axes.set_title(f"{split} combinations ({part['images'].max() if len(part) else 0} scenes)", loc="left")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.grid(axis="y", visible=False)
    add_model_legend(figure, models, "chance")
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw the controlled comparison of a run."""
    table = build_controlled(inputs.load_predictions("binding"), inputs.list_requested("binding"))
    return FigureResult(draw_controlled(table))
