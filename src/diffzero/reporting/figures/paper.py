"""Figures of Clark & Jaini (2023): efficiency, denoised images, samples, binding; and one of a single race.

Each function returns a figure; `save` writes it. Accuracies come in as shares and are drawn in percent.
"""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from diffzero.binding.tasks import TASKS
from diffzero.reporting.figures.style import COLOURS, GREY, STYLE, frame, look, new_figure, spread
from diffzero.utils.io import write_atomically

VARIANTS = ("unshared", "shared", "shared + pruning")
KINDS = {"recognition": "Recognition", "pair": "Pair: both objects", "binding": "Binding: one object"}
MOST_LABELS = 10  # classes that a race names one by one
MOST_PROMPTS = 10  # shown of a data set in the figure of samples
CHANCE = 50.0  # percent, of two sentences

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]  # [height, width, 3]


def _plain(value: float, _position: int) -> str:
    return f"{value:g}"


def plain_log_axis(axes: Axes) -> None:
    """Nothing; the x axis has ticks at 1, 2 and 5 times each power of ten: its range is often less than a decade."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(_plain)
    axes.xaxis.set_minor_locator(NullLocator())


def _counts(n: pd.Series) -> str:
    low, high = int(n.min()), int(n.max())
    return str(low) if low == high else f"{low} to {high}"


@matplotlib.rc_context(STYLE)
def efficiency(curves: pd.DataFrame, model: str, dataset: str) -> Figure:
    """Figure 2 of the paper: accuracy against calls per class, one line a variant, with its interval as a band.

    curves: variant (one of VARIANTS), calls_per_class (> 0), accuracy, low, high (shares), n (images).
    Raises ValueError for an unknown variant.
    """
    unknown = sorted(set(curves["variant"]) - set(VARIANTS))
    if unknown:
        raise ValueError(f"efficiency curves: found variant {unknown[0]!r}, expected one of {VARIANTS}.")
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    for index, variant in enumerate(VARIANTS):
        line = curves[curves["variant"] == variant].sort_values("calls_per_class")
        if line.empty:
            continue
        band = [100 * line["low"], 100 * line["high"]]
        axes.fill_between(line["calls_per_class"], *band, color=COLOURS[index], alpha=0.15, linewidth=0)
        axes.plot(line["calls_per_class"], 100 * line["accuracy"], label=variant, **look(index))
    axes.set_xscale("log")
    plain_log_axis(axes)
    axes.set_xlabel("Denoiser calls per class and image (log scale)")
    axes.set_ylabel("Accuracy (%)")
    axes.set_title(f"{model} on {dataset}: {_counts(curves['n'])} images, bands: 95 % interval", loc="left")
    axes.legend(title="Noise", loc="best", alignment="left", handlelength=3.5)
    return figure


def _error(value: float) -> str:
    """Four significant digits, never an exponent for a large number: the figure's readers compare last digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _show(axes: Axes, picture: Picture) -> None:
    # "nearest": the pictures of a mini model are 28 pixels wide, and blurring them would hide what was predicted.
    axes.imshow(picture, interpolation="nearest")
    frame(axes, GREY, 0)


@matplotlib.rc_context(STYLE)
def denoised(
    originals: Sequence[Picture],
    prompts: Sequence[str],
    noisy: Sequence[Picture],
    predictions: Sequence[Sequence[Picture]],
    correct: Sequence[int],
    errors: Floats,
) -> Figure:
    """Figure 3 of the paper: each image, its noised version, and the model's denoised image under every prompt.

    One row an image: originals [row], noisy [row], predictions [row, prompt], all uint8 [height, width, 3]; correct
    [row]: the right prompt, framed; errors [row, prompt]: weighted squared error, printed below, the lowest in bold.
    """
    rows, columns = np.shape(errors)
    width, wrapped = 1.15 * (columns + 2) + 0.2, [textwrap.fill(prompt, 15) for prompt in prompts]
    figure = new_figure(width, 1.42 * rows + 0.14 * max(text.count("\n") + 1 for text in wrapped) + 0.35)
    grid = figure.subplots(rows, columns + 2, squeeze=False)
    for axes, head in zip(grid[0], ["image", "noised", *wrapped], strict=True):
        axes.set_title(head, fontsize=8, verticalalignment="bottom")
    for row in range(rows):
        _show(grid[row, 0], originals[row])
        _show(grid[row, 1], noisy[row])
        lowest = int(np.argmin(errors[row]))
        for column in range(columns):
            axes = grid[row, column + 2]
            _show(axes, predictions[row][column])
            if column == correct[row]:
                frame(axes, COLOURS[1], 3)
            weight = "bold" if column == lowest else "normal"
            axes.set_xlabel(_error(errors[row][column]), fontsize=8, fontweight=weight)
    legend = "Frame: the right prompt. Number: weighted squared error; bold: the lowest of its row."
    figure.supxlabel(textwrap.fill(legend, int(14 * width)), fontsize=8)
    return figure


@matplotlib.rc_context(STYLE)
def samples(pictures: NDArray[np.uint8], prompts: Sequence[str], title: str) -> Figure:
    """Figure 6 of the paper: pictures [prompt, image, height, width, 3] that a model makes from the prompts, a column a prompt."""
    columns, rows = pictures.shape[:2]
    wrapped = [textwrap.fill(prompt, 15) for prompt in prompts]
    figure = new_figure(1.02 * columns + 0.2, 1.02 * rows + 0.14 * max(text.count("\n") + 1 for text in wrapped) + 0.35)
    grid = figure.subplots(rows, columns, squeeze=False)
    for column, text in enumerate(wrapped):
        grid[0, column].set_title(text, fontsize=7, verticalalignment="bottom")
        for row in range(rows):
            _show(grid[row, column], pictures[column, row])
    figure.supxlabel(title, fontsize=8)
    return figure


def _short(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …")


def _race_limits(means: Floats, draws: Floats, ends: Floats) -> tuple[float, float, float]:
    """The first draw to show, and the lowest and highest score: all lines from the first drop on, and where each ends.

    The means of the very first draws jump by orders of magnitude with t and would flatten all that decides the race.
    """
    first = min(ends[:, 0].min(), draws[-1] / 10)
    shown = np.append(means[draws >= first].ravel(), ends[:, 1])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    margin = 0.06 * (high - low) or 1.0
    return max(first / 2, draws[0]), low - margin, high + margin


def _label_lines(axes: Axes, ends: Floats, labels: Sequence[str], last: float) -> None:
    """Nothing; each line's name stands at the right border, joined to the line's end by a faint dotted line.

    At the border and not at the line's end: classes dropped early end in the thick of the others.
    """
    low, high = axes.get_ylim()
    heights = spread([(height - low) / (high - low) for height in ends[:, 1]], 0.055)
    leader = {"color": GREY, "linewidth": 0.7, "linestyle": ":"}
    for (draw, height), label, label_height in zip(ends, labels, heights, strict=True):
        axes.plot([draw, last], [height, height], zorder=1, **leader)
        axes.annotate(
            label,
            xy=(last, height),
            xytext=(1.05, label_height),
            textcoords="axes fraction",
            fontsize=8,
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "shrinkA": 1, "shrinkB": 0, **leader},
        )


def _race_legend(axes: Axes, lines: Sequence[Line2D], labels: Sequence[str], others: int) -> None:
    handles = [*lines, Line2D([], [], color=GREY, linewidth=0.6, alpha=0.6)]
    axes.legend(
        handles,
        [*labels, f"the other {others}"],
        title=f"Last {len(lines)} classes",
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        handlelength=3.5,
        alignment="left",
    )


@matplotlib.rc_context(STYLE)
def race(means: Floats, names: Sequence[str], eliminated_at: Floats, draws: Sequence[int]) -> Figure:
    """One image's race: the mean weighted score of each class so far against draws; a dropped class ends in a cross.

    means [draw, class]: running means, nan once a class is dropped; names [class]; eliminated_at [class]: draws taken when
    the class was dropped, nan for a survivor; draws [draw]: number of draws behind each row of means. Best, drawn
    thick, is the survivor with the lowest last mean. More than MOST_LABELS classes: only the last to go are named.
    """
    axes = new_figure(7.2, 4.0).subplots()
    taken, survives = np.asarray(draws, dtype=np.float64), np.isnan(eliminated_at)
    last = [int(np.flatnonzero(~np.isnan(column))[-1]) for column in means.T]
    ends = np.array([(taken[row], means[row, index]) for index, row in enumerate(last)])
    left, low, high = _race_limits(means, taken, ends)
    visible = taken >= left
    # The last to go first, and of those the lowest: the best class is number 0.
    ranking = np.lexsort((ends[:, 1], -np.where(survives, np.inf, eliminated_at))).tolist()
    named, others = ranking[:MOST_LABELS], ranking[MOST_LABELS:]
    axes.plot(taken[visible], means[visible][:, others], color=GREY, linewidth=0.6, alpha=0.6)
    lines = []
    for rank, index in enumerate(named):
        weight = {"linewidth": 1.2, "markersize": 4} if rank else {"linewidth": 3.0, "markersize": 7, "zorder": 3}
        marks = {"markevery": (0.02 * rank, 0.2)}  # fractions of the figure's diagonal along the line
        lines += axes.plot(taken[visible], means[visible, index], **look(rank), **weight, **marks)
    axes.plot(*ends[~survives].T, "x", color="black", markersize=6, markeredgewidth=1.4, zorder=4)
    axes.set(xscale="log", xlim=(0.97 * left, 1.03 * taken[-1]), ylim=(low, high))
    plain_log_axis(axes)
    labels = [_short(names[i], 28) + ("" if survives[i] else f" ({int(eliminated_at[i])})") for i in named]
    if others:
        _race_legend(axes, lines, labels, len(others))
    else:
        _label_lines(axes, ends[named], labels, taken[-1])
    axes.set_xlabel("Draws (log scale; cross: class dropped, its draws in brackets)")
    axes.set_ylabel("Mean weighted score (squared error)")
    axes.set_title(f"Best (thick line): {_short(names[ranking[0]], 60)}", loc="left")
    return axes.get_figure()


def _task_axes(axes: Axes, cells: pd.DataFrame, tasks: Sequence[str], models: Sequence[str]) -> None:
    """Nothing; one line a task, a mark and an interval for each model, the first task on top."""
    offsets = np.linspace(-0.25, 0.25, len(models)) if len(models) > 1 else [0.0]
    for index, (model, offset) in enumerate(zip(models, offsets, strict=True)):
        own = cells[cells["model"] == model].set_index("task").reindex(tasks)
        accuracy = 100 * own["accuracy"].to_numpy()
        reach = np.abs(100 * own[["low", "high"]].to_numpy().T - accuracy)
        mark = {**look(index), "linestyle": "none"}
        axes.errorbar(accuracy, np.arange(len(tasks)) + offset, xerr=reach, label=model, elinewidth=1.1, **mark)
    axes.axvline(CHANCE, color="black", linewidth=0.9, linestyle="--", zorder=1)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlim(0, 102)
    axes.grid(axis="y", visible=False)


@matplotlib.rc_context(STYLE)
def binding(table: pd.DataFrame, split: str = "seen") -> Figure:
    """Table 3 as a picture: accuracy of each task and model with its interval, a panel a kind of task, chance dashed.

    table: what `tables.table3` returns. split: "seen", "held-out" or "all".
    Raises ValueError where nothing was run on that split.
    """
    cells = table[(table["split"] == split) & (table["n"] > 0)]
    if cells.empty:
        known = sorted(set(table.loc[table["n"] > 0, "split"]))
        raise ValueError(
            f"Table 3: found no decision on the split {split!r}, expected one of {known}; name one of these."
        )
    models = list(table["model"].unique())
    shown = [task for task in TASKS if task.name in set(cells["task"])]
    panels = {kind: [task.name for task in shown if task.kind == kind] for kind in KINDS}
    panels = {kind: tasks for kind, tasks in panels.items() if tasks}
    heights = [len(tasks) for tasks in panels.values()]
    figure = new_figure(6.4, 0.3 * sum(heights) + 1.6)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[n + 0.6 for n in heights])
    for axes, (kind, tasks) in zip(grid[:, 0], panels.items(), strict=True):
        _task_axes(axes, cells, tasks, models)
        axes.set_title(KINDS[kind], loc="left")
    combinations = "all" if split == "all" else f"only {split}"
    counts = _counts(cells["n"])
    grid[-1, 0].set_xlabel(f"Accuracy (%), {combinations} combinations, 95 % intervals, {counts} decisions a mark")
    chance = Line2D([], [], color="black", linewidth=0.9, linestyle="--", label="chance")
    handles = [*grid[0, 0].get_legend_handles_labels()[0], chance]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


@matplotlib.rc_context(STYLE)
def save(figure: Figure, stem: Path) -> None:
    """Nothing; `stem` + .svg and .png (150 dpi) are written, each atomically, and the figure is emptied.

    The same figure gives the same bytes: no date, no random ids.
    """
    for suffix, options in {".svg": {"metadata": {"Date": None}}, ".png": {"dpi": 150}}.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], **options)
        write_atomically(stem.with_name(stem.name + suffix), buffer.getvalue())
    figure.clear()
