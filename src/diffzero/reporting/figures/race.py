"""The race of a single image."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffzero.reporting.figures.style import (
    GREY,
    STYLE,
    new_figure,
    series_style,
    spread_labels,
    use_plain_log_ticks,
)
from diffzero.typing import Floats

MAX_LABELS = 10  # classes that are named one by one


def _shorten(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …")


def _limits(means: Floats, draws: Floats, ends: Floats) -> tuple[float, float, float]:
    """Return the first draw to show, and the lowest and highest score from the first elimination on.

    The means of the very first draws vary by orders of magnitude with t and would flatten the part that decides the race.
    """
    first = min(ends[:, 0].min(), draws[-1] / 10)
    shown = np.append(means[draws >= first].ravel(), ends[:, 1])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    margin = 0.06 * (high - low) or 1.0
    return max(first / 2, draws[0]), low - margin, high + margin


def _label_lines(axes: Axes, ends: Floats, labels: Sequence[str], last: float) -> None:
    """Write the name of each line at the right border, joined to the line's end by a faint dotted line.

    The names are not at the ends themselves because lines of classes eliminated early end between the other lines.
    """
    low, high = axes.get_ylim()
    heights = spread_labels([(height - low) / (high - low) for height in ends[:, 1]], 0.055)
    leader: dict[str, Any] = {"color": GREY, "linewidth": 0.7, "linestyle": ":"}
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


def _add_legend(axes: Axes, lines: Sequence[Line2D], labels: Sequence[str], others: int) -> None:
    handles = [*lines, Line2D([], [], color=GREY, linewidth=0.6, alpha=0.6)]
    axes.legend(
        handles,
        # matplotlib leaves labels out that start with an underscore; with an invisible space before it, it does not.
        [*(f"\u200b{label}" if label.startswith("_") else label for label in labels), f"the other {others}"],
        title=f"Last {len(lines)} classes",
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        handlelength=3.5,
        alignment="left",
    )


def _plot_named(axes: Axes, draws: Floats, means: Floats, named: Sequence[int]) -> list[Line2D]:
    """Plot the classes with a name; the first one, the best, is thick."""
    lines = []
    for rank, index in enumerate(named):
        style = series_style(rank) | {"linewidth": 1.2, "markersize": 4}
        style |= {} if rank else {"linewidth": 3.0, "markersize": 7, "zorder": 3}
        style |= {"markevery": (0.02 * rank, 0.2)}  # fractions of the figure's diagonal along the line
        lines += axes.plot(draws, means[:, index], **style)
    return lines


@matplotlib.rc_context(STYLE)
def draw_race(means: Floats, names: Sequence[str], eliminated_at: Floats, draws: Sequence[int]) -> Figure:
    """Draw the race of one image: the running mean of each class's weighted scores; the line of an eliminated class ends in a cross.

    Parameters
    ----------
    means
        Running means [draw, class]; nan after the class was eliminated.
    names
        Class names [class]. Of more than MAX_LABELS classes only the last to be eliminated are named.
    eliminated_at
        Draws at which the class was eliminated [class]; nan for a survivor.
    draws
        Number of draws behind each row of `means` [draw].
    """
    figure = new_figure(7.2, 4.0)
    axes = figure.subplots()
    taken, survives = np.asarray(draws, dtype=np.float64), np.isnan(eliminated_at)
    last = [int(np.flatnonzero(~np.isnan(column))[-1]) for column in means.T]
    ends = np.array([(taken[row], means[row, index]) for index, row in enumerate(last)])  # [class, (draw, mean)]
    left, low, high = _limits(means, taken, ends)
    visible = taken >= left
    # Latest elimination first, then lowest mean: number 0 is the survivor with the lowest mean.
    ranking = np.lexsort((ends[:, 1], -np.where(survives, np.inf, eliminated_at))).tolist()
    named, others = ranking[:MAX_LABELS], ranking[MAX_LABELS:]
    axes.plot(taken[visible], means[visible][:, others], color=GREY, linewidth=0.6, alpha=0.6)
    lines = _plot_named(axes, taken[visible], means[visible], named)
    axes.plot(*ends[~survives].T, "x", color="black", markersize=6, markeredgewidth=1.4, zorder=4)
    axes.set(xscale="log", xlim=(0.97 * left, 1.03 * taken[-1]), ylim=(low, high))
    use_plain_log_ticks(axes.xaxis)
    labels = [_shorten(names[i], 28) + ("" if survives[i] else f" ({int(eliminated_at[i])})") for i in named]
    if others:
        _add_legend(axes, lines, labels, len(others))
    else:
        _label_lines(axes, ends[named], labels, taken[-1])
    axes.set_xlabel("Draws (log scale; cross: class eliminated, after the draws in brackets)")
    axes.set_ylabel("Mean weighted score (squared error)")
    axes.set_title(f"Best (thick line): {_shorten(names[ranking[0]], 60)}", loc="left")
    return figure
