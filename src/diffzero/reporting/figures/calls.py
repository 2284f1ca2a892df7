"""Denoiser calls per item."""

from collections.abc import Sequence
from typing import cast

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import PALETTE, STYLE, new_figure
from diffzero.reporting.inputs import ReportInputs


def _plot_histogram(axes: Axes, group: pd.DataFrame) -> None:
    """Plot a histogram of calls, correct and wrong items stacked."""
    correct = group["correct"].astype(bool)
    parts = [group.loc[correct, "calls"].astype(float), group.loc[~correct, "calls"].astype(float)]
    colours = [PALETTE[0], PALETTE[5]]
    *_, bars = axes.hist(parts, bins=16, stacked=True, color=colours, edgecolor="white", linewidth=0.5)
    _, wrong = cast(Sequence[BarContainer], bars)
    for patch in wrong:
        patch.set_hatch("////")
    axes.axvline(group["calls"].mean(), color="black", linestyle="--", linewidth=1)
    axes.set_xlim(left=0)


@matplotlib.rc_context(STYLE)
def draw_calls(predictions: pd.DataFrame) -> Figure:
    """Draw histograms of the calls per item, one panel per (model, data set); the mean is dashed.

    Parameters
    ----------
    predictions
        Columns model, dataset, calls and correct; rows without calls (baselines) are left out.
    """
    groups = list(predictions.dropna(subset=["calls"]).groupby(["dataset", "model"], sort=False))
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = new_figure(2.5 * columns + 0.6, 1.9 * rows + 0.8)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    for axes, ((dataset, model), group) in zip(grid.flat, groups, strict=False):
        _plot_histogram(axes, group)
        axes.set_title(f"{model} on {dataset}", loc="left")
    for axes in grid[:, 0]:
        axes.set_ylabel("Items")
    figure.supxlabel("Calls per item (denoiser evaluations)", fontsize=9)
    correct = Patch(facecolor=PALETTE[0], label="correct")
    wrong = Patch(facecolor=PALETTE[5], hatch="////", edgecolor="white", label="wrong")
    mean = Line2D([], [], color="black", linestyle="--", linewidth=1, label="mean")
    figure.legend(handles=[correct, wrong, mean], loc="outside upper center", ncols=3)
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw the calls per item of a run."""
    return FigureResult(draw_calls(inputs.load_predictions("classification", "binding", "lewis")))
