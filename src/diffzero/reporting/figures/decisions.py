"""Figures of decisions: what is taken for what, what it costs, which model is better, and how binding fails."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from diffzero.reporting.figures.style import COLOURS, GREY, STYLE, look, new_figure

MOST_NAMED = 25  # classes whose names fit beside a matrix
MOST_NUMBERED = 12  # classes whose cells have room for a number


def permuted_accuracy(matrix: NDArray[np.int64]) -> float:
    """The accuracy [0, 1] that the best renaming of the predicted classes would give, from counts [true, predicted].

    Far above the accuracy it means that class names are in another order than labels.
    """
    return float(matrix[linear_sum_assignment(-matrix)].sum() / matrix.sum())


@matplotlib.rc_context(STYLE)
def confusion(matrix: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Counts [true, predicted] as shares of each row, with the counts where there is room; rows without images are blank."""
    classes = len(names)
    side = min(max(0.34 * classes, 3.2), 7.5)
    figure = new_figure(side + 1.9, side + 1.2)
    axes = figure.subplots()
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(100 * matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.grid(False)
    if classes <= MOST_NAMED:
        axes.set_xticks(range(classes), names, rotation=90)
        axes.set_yticks(range(classes), names)
    if classes <= MOST_NUMBERED:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if share[row, column] > 60 else "black"
            axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=7, color=colour)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    right, renamed = np.trace(matrix) / matrix.sum(), permuted_accuracy(matrix)
    axes.set_title(f"{title}\naccuracy {100 * right:.1f} %, {100 * renamed:.1f} % if classes were renamed", loc="left")
    figure.colorbar(image, ax=axes, shrink=0.7, label="Share of the true class's images (%)")
    return figure


@matplotlib.rc_context(STYLE)
def calls(predictions: pd.DataFrame) -> Figure:
    """Calls of each item, right and wrong ones stacked, a panel a (model, data set); dashed: the mean.

    predictions: model, dataset, calls, correct; rows without calls (baselines) are left out.
    """
    table = predictions.dropna(subset=["calls"])
    groups = list(table.groupby(["dataset", "model"], sort=False))
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = new_figure(2.5 * columns + 0.6, 1.9 * rows + 0.8)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    for axes, ((dataset, model), mine) in zip(grid.flat, groups, strict=False):
        right = mine["correct"].astype(bool)
        parts = [mine.loc[right, "calls"].astype(float), mine.loc[~right, "calls"].astype(float)]
        style = {"color": [COLOURS[0], COLOURS[5]], "edgecolor": "white", "linewidth": 0.5}
        _, _, bars = axes.hist(parts, bins=16, stacked=True, **style)
        for patch in bars[1]:
            patch.set_hatch("////")
        axes.axvline(mine["calls"].mean(), color="black", linestyle="--", linewidth=1)
        axes.set_title(f"{model} on {dataset}", loc="left")
        axes.set_xlim(left=0)
    for axes in grid[:, 0]:
        axes.set_ylabel("Items")
    figure.supxlabel("Calls per item (denoiser evaluations)", fontsize=9)
    right = matplotlib.patches.Patch(facecolor=COLOURS[0], label="right")
    wrong = matplotlib.patches.Patch(facecolor=COLOURS[5], hatch="////", edgecolor="white", label="wrong")
    mean = Line2D([], [], color="black", linestyle="--", linewidth=1, label="mean")
    figure.legend(handles=[right, wrong, mean], loc="outside upper center", ncols=3)
    return figure


@matplotlib.rc_context(STYLE)
def paired(table: pd.DataFrame) -> Figure:
    """Differences between models on the same images, with their bootstrap intervals; filled where p < 0.05 after Holm.

    table: what `tables.paired` returned.
    """
    figure = new_figure(7.0, 0.26 * len(table) + 1.5)
    axes = figure.subplots()
    for row, pair in enumerate(table.itertuples()):
        value, low, high = 100 * pair.difference, 100 * pair.low, 100 * pair.high
        sure = pair.pvalue_holm < 0.05
        axes.plot([low, high], [row, row], color=COLOURS[0], linewidth=1.4)
        axes.plot(value, row, "o", color=COLOURS[0], markerfacecolor=COLOURS[0] if sure else "white", markersize=6)
    axes.axvline(0, color="black", linewidth=0.9, linestyle="--", zorder=1)
    names = [f"{pair.dataset}: {pair.first} − {pair.second} (n = {pair.n})" for pair in table.itertuples()]
    axes.set_yticks(range(len(table)), names)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(
        "Difference in accuracy (points), bootstrap 95 % interval;\nfilled: p < 0.05 after Holm's correction"
    )
    return figure


@matplotlib.rc_context(STYLE)
def breakdown(shapes: pd.DataFrame, larger: pd.DataFrame) -> Figure:
    """How binding fails: which shapes are told apart, and whether the larger object's attribute wins.

    shapes: model, true, false, accuracy, low, high, n of decisions between two shapes; larger: model, attribute, share, low, high, n.
    """
    models = list(dict.fromkeys([*shapes["model"], *larger["model"]]))
    pairs = list(dict.fromkeys(zip(shapes["true"], shapes["false"], strict=True)))
    attributes = list(dict.fromkeys(larger["attribute"]))
    figure = new_figure(7.4, 0.34 * max(len(pairs), len(attributes) * 2) + 1.7)
    left, right = figure.subplots(1, 2)
    _marks(
        left,
        shapes.assign(row=[pairs.index(p) for p in zip(shapes["true"], shapes["false"], strict=True)]),
        models,
        "accuracy",
    )
    left.set_yticks(range(len(pairs)), [f"{true}, not {false}" for true, false in pairs])
    left.set_title("Which shapes are confused", loc="left")
    left.set_xlabel("Accuracy (%)")
    _marks(right, larger.assign(row=larger["attribute"].map(attributes.index)), models, "share")
    right.set_yticks(range(len(attributes)), [f"its {name}" for name in attributes])
    right.set_title("Does the larger object win?", loc="left")
    right.set_xlabel("Decisions for the larger object's\nattribute (%)")
    for axes, rows in ((left, len(pairs)), (right, len(attributes))):
        axes.axvline(50, color="black", linewidth=0.9, linestyle="--", zorder=1)
        axes.set_xlim(-2, 102)
        axes.set_ylim(max(rows, 1) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
    _legend(figure, models, "chance")
    return figure


@matplotlib.rc_context(STYLE)
def shapes(table: pd.DataFrame, title: str) -> Figure:
    """Shape accuracy and shape bias by category of the shape, `all` below a line, one mark a model; dashed: shape as often as texture.

    table: what `tables.by_category` returned.
    """
    models, categories = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["category"]))
    table = table.assign(row=table["category"].map(categories.index))
    decided = table[table["bias_n"] > 0].drop(columns=["low", "high"])
    figure = new_figure(7.2, 0.14 * len(categories) * max(len(models), 2) + 1.6)
    left, right = figure.subplots(1, 2, sharey=True)
    _marks(left, table, models, "accuracy")
    _marks(right, decided.rename(columns={"bias_low": "low", "bias_high": "high"}), models, "bias")
    left.set_title(f"Shape accuracy, {title}", loc="left")
    right.set_title("Shape bias", loc="left")
    left.set_xlabel("Images predicted as their\nshape's class (%)")
    right.set_xlabel("Shape decisions among decisions\nfor shape or texture (%)")
    right.axvline(50, color="black", linewidth=0.9, linestyle="--", zorder=1)
    for axes in (left, right):
        axes.axhline(len(categories) - 1.5, color=GREY, linewidth=0.7)
        axes.set(xlim=(-2, 102), ylim=(len(categories) - 0.5, -0.5))
        axes.set_yticks(range(len(categories)), categories)
        axes.grid(axis="y", visible=False)
    _legend(figure, models, "shape as often as texture")
    return figure


@matplotlib.rc_context(STYLE)
def controlled(table: pd.DataFrame) -> Figure:
    """The controlled comparison: accuracy of each kind of task, seen and held-out combinations side by side, chance dashed.

    table: what `tables.controlled` returned.
    """
    models, kinds = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["kind"]))
    figure = new_figure(7.0, 0.2 * len(kinds) * max(len(models), 3) + 1.5)
    grid = figure.subplots(1, 2, sharey=True)
    for axes, split in zip(grid, ("seen", "held-out"), strict=True):
        mine = table[(table["split"] == split) & (table["n"] > 0)]
        _marks(axes, mine.assign(row=mine["kind"].map(kinds.index)), models, "accuracy")
        axes.axvline(50, color="black", linewidth=0.9, linestyle="--", zorder=1)
        axes.set(xlim=(-2, 102), ylim=(len(kinds) - 0.5, -0.5), xlabel="Accuracy (%), 95 % intervals")
        axes.set_title(f"{split} combinations ({mine['images'].max() if len(mine) else 0} scenes)", loc="left")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.grid(axis="y", visible=False)
    _legend(figure, models, "chance")
    return figure


def _legend(figure: Figure, models: Sequence[str], dashed: str) -> None:
    """The models' marks and what the dashed line is, above the panels."""
    line = Line2D([], [], color="black", linewidth=0.9, linestyle="--", label=dashed)
    handles = [Line2D([], [], **{**look(k), "linestyle": "none"}, label=model) for k, model in enumerate(models)]
    figure.legend(handles=[*handles, line], loc="outside upper center", ncols=5)


def _marks(axes: matplotlib.axes.Axes, table: pd.DataFrame, models: Sequence[str], value: str) -> None:
    """Nothing; one mark and interval a model on each row."""
    offsets = np.linspace(-0.25, 0.25, len(models)) if len(models) > 1 else [0.0]
    for index, model in enumerate(models):
        mine = table[table["model"] == model]
        middle = 100 * mine[value].to_numpy()
        reach = np.abs(100 * mine[["low", "high"]].to_numpy().T - middle)
        mark = {**look(index), "linestyle": "none"}
        axes.errorbar(
            middle,
            mine["row"].to_numpy(dtype=float) + offsets[index],
            xerr=reach,
            elinewidth=1.1,
            ecolor=mark["color"],
            **mark,
        )
    if table.empty:
        axes.text(50, 0, "no such decision in this run", ha="center", va="center", color=GREY)
