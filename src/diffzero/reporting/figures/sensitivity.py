"""Accuracy and cost over the parameters of Algorithm 1 and the decay of the heuristic weighting."""

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffzero.analysis.load import load_items, load_schedule, load_score_shards
from diffzero.analysis.sweeps import replay_sensitivity
from diffzero.diffusion.weighting import Heuristic, make_weight_fn
from diffzero.reporting.figures import FigureKey, FigureResult
from diffzero.reporting.figures.style import PALETTE, STYLE, new_figure, series_style
from diffzero.reporting.inputs import ReportInputs, find_source
from diffzero.typing import WeightFn

PARAMETERS = ["cutoff_pval", "min_scores", "max_scores"]


def _plot_panel(axes: Axes, table: pd.DataFrame, by: str, x: str, value: str, scale: float) -> None:
    """Plot one line per value of the column `by`, with its interval as a band where the value is an accuracy."""
    for index, (_, line) in enumerate(table.groupby(by)):
        line = line.sort_values(x)
        if value == "accuracy":
            band = (100 * line["low"], 100 * line["high"])
            axes.fill_between(line[x], *band, color=PALETTE[index % 8], alpha=0.10, linewidth=0)
        axes.plot(line[x], scale * line[value], **series_style(index))


@matplotlib.rc_context(STYLE)
def draw_sensitivity(table: pd.DataFrame, decay: float, title: str) -> Figure:
    """Draw accuracy and calls against max_scores: one line per min_scores, one column per cutoff_pval; the last column varies the decay.

    Parameters
    ----------
    table
        From `diffzero.analysis.sweeps.replay_sensitivity`; the rows of other decays share one policy.
    decay
        The decay of the rows that vary the policy.
    """
    policies, decays = table[table["decay"] == decay], table[table["decay"] != decay]
    cutoffs, min_scores = (sorted(policies[name].unique()) for name in ("cutoff_pval", "min_scores"))
    own_policy = decays[PARAMETERS].iloc[0]
    by_decay = table[(table[PARAMETERS] == own_policy).all(axis=1)].assign(one=0)
    figure = new_figure(1.75 * (len(cutoffs) + 1) + 0.7, 4.6)
    grid = figure.subplots(2, len(cutoffs) + 1, sharey="row")
    for row, (value, scale) in enumerate((("accuracy", 100), ("calls_per_class", 1))):
        for column, cutoff in enumerate(cutoffs):
            part = policies[policies["cutoff_pval"] == cutoff]
            _plot_panel(grid[row, column], part, "min_scores", "max_scores", value, scale)
            grid[0, column].set_title(f"cutoff_pval {cutoff:g}", loc="left", fontsize=9)
        _plot_panel(grid[row, -1], by_decay, "one", "decay", value, scale)
    grid[0, -1].set_title("decay of exp(-decay t)", loc="left", fontsize=9)
    grid[0, 0].set_ylabel("Accuracy (%)")
    grid[1, 0].set_ylabel("Calls per class")
    for axes in grid[1, :-1]:
        axes.set_xlabel("max_scores")
    grid[1, -1].set_xlabel("decay")
    handles = [Line2D([], [], **series_style(k), label=f"{n:g}") for k, n in enumerate(min_scores)]
    figure.legend(handles=handles, title="min_scores", loc="outside lower center", ncols=len(min_scores))
    figure.suptitle(f"{title}: {int(table['n'].max())} images, bands: 95 % interval", fontsize=10)
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw the sensitivity of a run's full scores."""
    source = find_source(inputs.full_scores, model, dataset)
    scores = load_score_shards(source["shards"])
    items = load_items(source["items"], scores)
    schedule = load_schedule(source["weights"])

    own = inputs.weighting if isinstance(inputs.weighting, Heuristic) else Heuristic()

    def heuristic(decay: float) -> WeightFn:
        return make_weight_fn(Heuristic(decay=decay), schedule)

    table = replay_sensitivity(items, scores, inputs.pruning, own.decay, heuristic)
    stem = FigureKey("sensitivity", model, dataset).stem
    return FigureResult(draw_sensitivity(table, own.decay, f"{model} on {dataset}"), {stem: table})
