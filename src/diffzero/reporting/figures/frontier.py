"""Accuracy against cost of every policy and weighting."""

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffzero.analysis.load import load_items, load_schedule, load_score_shards
from diffzero.analysis.sweeps import replay_frontier
from diffzero.diffusion.weighting import make_weight_fns
from diffzero.reporting.figures import FigureKey, FigureResult
from diffzero.reporting.figures.style import (
    GREY,
    STYLE,
    error_bars,
    marker_style,
    new_figure,
    use_plain_log_ticks,
)
from diffzero.reporting.inputs import ReportInputs, find_source


@matplotlib.rc_context(STYLE)
def draw_frontier(table: pd.DataFrame, title: str) -> Figure:
    """Draw accuracy against calls per class: one marker per policy, one panel per weighting; a line joins the best points.

    Parameters
    ----------
    table
        From `diffzero.analysis.sweeps.replay_frontier`.
    """
    weightings, families = list(dict.fromkeys(table["weighting"])), list(dict.fromkeys(table["family"]))
    figure = new_figure(2.4 * len(weightings) + 1.9, 3.8)
    grid = figure.subplots(1, len(weightings), sharex=True, sharey=True, squeeze=False)[0]
    best = table[table["efficient"]].sort_values("calls_per_class")
    for axes, weighting in zip(grid, weightings, strict=True):
        axes.step(best["calls_per_class"], 100 * best["accuracy"], where="post", color=GREY, linewidth=1, zorder=1)
        _plot_points(axes, table[table["weighting"] == weighting], families)
        axes.set_title(weighting, loc="left")
    grid[0].set_ylabel("Accuracy (%)")
    n = int(table["n"].max())
    figure.supxlabel("Calls per class and image (log scale)", fontsize=9)
    figure.suptitle(f"{title}: {n} images, all points from the same scores", fontsize=10)
    handles, labels = grid[0].get_legend_handles_labels()
    line, label = Line2D([], [], color=GREY, linewidth=1), "best for its cost,\nover all panels"
    figure.legend([*handles, line], [*labels, label], loc="outside right upper", title="Policy", alignment="left")
    return figure


def _plot_points(axes: Axes, table: pd.DataFrame, families: list[str]) -> None:
    """Plot the policies of one weighting; the efficient ones have intervals."""
    for index, family in enumerate(families):
        points = table[table["family"] == family]
        mark = {**marker_style(index), "label": family}
        axes.plot(points["calls_per_class"], 100 * points["accuracy"], markerfacecolor="none", **mark)
    chosen = table[table["efficient"]]
    calls, middle = chosen["calls_per_class"], 100 * chosen["accuracy"].to_numpy()
    reach = error_bars(chosen, "accuracy")
    axes.errorbar(calls, middle, yerr=reach, linestyle="none", color=GREY, elinewidth=0.8, zorder=1)
    axes.set_xscale("log")
    use_plain_log_ticks(axes.xaxis)


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw the frontier of a run's full scores."""
    source = find_source(inputs.full_scores, model, dataset)
    scores = load_score_shards(source["shards"])
    items = load_items(source["items"], scores)
    weightings = make_weight_fns(inputs.weighting, load_schedule(source["weights"]))
    table = replay_frontier(items, scores, inputs.pruning, weightings)
    stem = FigureKey("frontier", model, dataset).stem
    return FigureResult(draw_frontier(table, f"{model} on {dataset}"), {stem: table})
