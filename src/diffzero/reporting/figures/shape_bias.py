"""Shape accuracy and shape bias by category."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures import FigureKey, FigureResult
from diffzero.reporting.figures.style import (
    GREY,
    STYLE,
    add_chance_line,
    add_model_legend,
    new_figure,
    plot_intervals,
)
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.tables.table2_shape_bias import shape_bias_by_category


@matplotlib.rc_context(STYLE)
def draw_shape_bias(table: pd.DataFrame, title: str) -> Figure:
    """Draw shape accuracy and shape bias by category of the shape, with `all` below a line and one mark per model.

    The dashed line marks as many shape as texture decisions.

    Parameters
    ----------
    table
        From `diffzero.reporting.tables.table2_shape_bias.shape_bias_by_category`.
    """
    models, categories = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["category"]))
    table = table.assign(row=table["category"].map(categories.index))
    bias = table[table["bias_n"] > 0].drop(columns=["low", "high"])
    bias = bias.rename(columns={"bias_low": "low", "bias_high": "high"})
    figure = new_figure(7.2, 0.14 * len(categories) * max(len(models), 2) + 1.6)
    left, right = figure.subplots(1, 2, sharey=True)
    plot_intervals(left, table, models, "accuracy")
    plot_intervals(right, bias, models, "bias")
    left.set_title(f"Shape accuracy, {title}", loc="left")
    right.set_title("Shape bias", loc="left")
    left.set_xlabel("Images predicted as their\nshape's class (%)")
    right.set_xlabel("Shape decisions among decisions\nfor shape or texture (%)")
    add_chance_line(right)
    for axes in (left, right):
        axes.axhline(len(categories) - 1.5, color=GREY, linewidth=0.7)
        axes.set(xlim=(-2, 102), ylim=(len(categories) - 0.5, -0.5))
        axes.set_yticks(range(len(categories)), categories)
        axes.grid(axis="y", visible=False)
    add_model_legend(figure, models, "shape as often as texture")
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw the shape bias of every model of a run on one data set."""
    sources = [source for source in inputs.predictions["classification"] if source["dataset"] == dataset]
    table = shape_bias_by_category(load_predictions(sources), inputs.load_prompts(dataset)["classnames"])
    stem = FigureKey("shape_bias", dataset=dataset).stem
    return FigureResult(draw_shape_bias(table, dataset), {stem: table})
