"""Figures of unpruned scores: calibration, where in t a decision falls, what other policies would have cost, sensitivity."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffzero.reporting.figures.paper import plain_log_axis
from diffzero.reporting.figures.style import COLOURS, GREY, STYLE, look, new_figure


@matplotlib.rc_context(STYLE)
def reliability(bins: pd.DataFrame, table: pd.DataFrame, title: str) -> Figure:
    """Figure 5: accuracy against confidence, a panel a confidence, Wilson 95 % intervals, n at each mark, ECE in the title."""
    figure = new_figure(7.0, 3.9)
    for index, (axes, row) in enumerate(zip(figure.subplots(1, 2, sharey=True), table.itertuples(), strict=True)):
        mine = bins[bins["confidence_kind"] == row.confidence]
        middle = 100 * mine["accuracy"].to_numpy()
        reach = np.abs(100 * mine[["low", "high"]].to_numpy().T - middle)
        axes.plot([0, 100], [0, 100], color="black", linewidth=0.9, linestyle="--", zorder=1)
        mark = {**look(index), "linestyle": "none"}
        axes.errorbar(100 * mine["confidence"], middle, yerr=reach, elinewidth=1.1, **mark)
        for point in mine.itertuples():
            place = (100 * point.confidence, 100 * point.accuracy)
            axes.annotate(f"{point.n}", place, xytext=(-6, -4), textcoords="offset points", ha="right", fontsize=7)
        axes.set(xlim=(-3, 103), ylim=(-3, 103), xlabel="Confidence (%)")
        axes.set_title(f"{row.confidence}\nECE {row.ece:.3f} on {row.n} images", loc="left", fontsize=9)
    figure.axes[0].set_ylabel("Accuracy (%)")
    figure.suptitle(
        f"{title}: fitted on {int(table['fitted'].iloc[0])} other images; numbers: images of a bin", fontsize=9
    )
    return figure


@matplotlib.rc_context(STYLE)
def timesteps(profile: pd.DataFrame, title: str) -> Figure:
    """Scores against t for the true class and its strongest rival, and how much of the decision each t contributes."""
    figure = new_figure(6.4, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for index, (name, label) in enumerate((("true", "right prompt"), ("rival", "strongest wrong prompt"))):
        upper.plot(profile["t"], profile[name], label=label, **look(index))
    upper.set_yscale("log")
    upper.set_ylabel("Squared error (log scale)")
    upper.legend(loc="lower right")
    images = int(profile["n"].max())
    upper.set_title(f"{title}: means over up to {images} images in {len(profile)} buckets of t", loc="left")
    width = 0.8 * np.diff(profile["t"]).min() if len(profile) > 1 else 0.08
    reach = np.abs(100 * profile[["weighted_low", "weighted_high"]].to_numpy().T - 100 * profile["weighted"].to_numpy())
    lower.bar(profile["t"], 100 * profile["weighted"], width=width, color=COLOURS[0], alpha=0.85)
    lower.errorbar(
        profile["t"], 100 * profile["weighted"], yerr=reach, linestyle="none", color="black", elinewidth=1.1, capsize=2
    )
    lower.axhline(0, color="black", linewidth=0.9)
    lower.set(xlim=(0, 1), xlabel="t (0: no noise, 1: nothing but noise)")
    lower.set_ylabel("Weighted lead of the right\nprompt (% of its mean score)")
    return figure


@matplotlib.rc_context(STYLE)
def frontier(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy against calls per class of every policy (marker) under every weighting (panel); the line: the best for its cost."""
    weightings = list(dict.fromkeys(table["weighting"]))
    figure = new_figure(2.4 * len(weightings) + 1.9, 3.8)
    grid = figure.subplots(1, len(weightings), sharex=True, sharey=True, squeeze=False)[0]
    families = list(dict.fromkeys(table["family"]))
    best = table[table["efficient"]].sort_values("calls_per_class")
    for axes, weighting in zip(grid, weightings, strict=True):
        mine = table[table["weighting"] == weighting]
        axes.step(best["calls_per_class"], 100 * best["accuracy"], where="post", color=GREY, linewidth=1, zorder=1)
        for index, family in enumerate(families):
            points = mine[mine["family"] == family]
            mark = {**look(index), "linestyle": "none", "label": family}
            axes.plot(points["calls_per_class"], 100 * points["accuracy"], markerfacecolor="none", **mark)
        chosen = mine[mine["efficient"]]
        middle = 100 * chosen["accuracy"].to_numpy()
        reach = np.abs(100 * chosen[["low", "high"]].to_numpy().T - middle)
        style = {"linestyle": "none", "color": GREY, "elinewidth": 0.8, "zorder": 1}
        axes.errorbar(chosen["calls_per_class"], middle, yerr=reach, **style)
        axes.set_xscale("log")
        plain_log_axis(axes)
        axes.set_title(weighting, loc="left")
    grid[0].set_ylabel("Accuracy (%)")
    n = int(table["n"].max())
    figure.supxlabel("Calls per class and image (log scale)", fontsize=9)
    figure.suptitle(f"{title}: {n} images, all points from the same scores", fontsize=10)
    handles, labels = grid[0].get_legend_handles_labels()
    line = Line2D([], [], color=GREY, linewidth=1, label="best for its cost,\nover all panels")
    figure.legend(
        [*handles, line], [*labels, line.get_label()], loc="outside right upper", title="Policy", alignment="left"
    )
    return figure


def _sensitivity_panel(axes: Axes, lines: pd.DataFrame, by: str, x: str, value: str, scale: float) -> None:
    for index, (_, line) in enumerate(lines.groupby(by)):
        line = line.sort_values(x)
        if value == "accuracy":
            axes.fill_between(
                line[x], 100 * line["low"], 100 * line["high"], color=COLOURS[index % 8], alpha=0.10, linewidth=0
            )
        axes.plot(line[x], scale * line[value], **look(index))


@matplotlib.rc_context(STYLE)
def sensitivity(table: pd.DataFrame, own_decay: float, title: str) -> Figure:
    """Accuracy and calls against max_scores, a line a min_scores, a column a cutoff_pval; in the last column against the decay.

    table: what `sweeps.sensitivity` returned; the rows of the decay share one policy.
    """
    grid_rows = table[table["decay"] == own_decay]
    cutoffs = sorted(grid_rows["cutoff_pval"].unique())
    others = table[table["decay"] != own_decay]
    policy = others[["cutoff_pval", "min_scores", "max_scores"]].iloc[0]
    same = (table[policy.index] == policy).all(axis=1)
    by_decay = table[same].assign(one=0)
    figure = new_figure(1.75 * (len(cutoffs) + 1) + 0.7, 4.6)
    grid = figure.subplots(2, len(cutoffs) + 1, sharey="row")
    for row, (value, scale) in enumerate((("accuracy", 100), ("calls_per_class", 1))):
        for column, cutoff in enumerate(cutoffs):
            mine = grid_rows[grid_rows["cutoff_pval"] == cutoff]
            _sensitivity_panel(grid[row, column], mine, "min_scores", "max_scores", value, scale)
            grid[0, column].set_title(f"cutoff_pval {cutoff:g}", loc="left", fontsize=9)
        _sensitivity_panel(grid[row, -1], by_decay, "one", "decay", value, scale)
    grid[0, -1].set_title("decay of exp(-decay t)", loc="left", fontsize=9)
    grid[0, 0].set_ylabel("Accuracy (%)")
    grid[1, 0].set_ylabel("Calls per class")
    for axes in grid[1, :-1]:
        axes.set_xlabel("max_scores")
    grid[1, -1].set_xlabel("decay")
    least = sorted(grid_rows["min_scores"].unique())
    handles = [Line2D([], [], **look(k), label=f"{n:g}") for k, n in enumerate(least)]
    figure.legend(handles=handles, title="min_scores", loc="outside lower center", ncols=len(least))
    figure.suptitle(f"{title}: {int(table['n'].max())} images, bands: 95 % interval", fontsize=10)
    return figure
