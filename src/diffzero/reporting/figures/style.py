"""The common style of all figures: readable in grey and on paper, and the same bytes for the same data."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from diffzero.reporting.fonts import use_fallback_fonts
from diffzero.utils.io import write_atomically

Picture = NDArray[np.uint8]  # [height, width, 3]
# matplotlib's stubs type the keys as literals, which those of a plain dictionary are not.
STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a dollar sign in a class name or title must not start a formula
    "svg.fonttype": "none",  # text stays text: searchable, and small
    "svg.hashsalt": "diffzero",  # otherwise the ids in an SVG are random
}
# The palette of Okabe & Ito (2008) is safe for colour-blind readers; markers and dashes carry the difference in grey.
PALETTE = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1, 1, 1, 1, 1)))
GREY = "0.45"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, drawn by Agg and not registered with pyplot's global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def series_style(index: int) -> dict[str, Any]:
    """Return colour, marker and line style of the index-th series, as arguments of `Axes.plot`."""
    return {
        "color": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def marker_style(index: int) -> dict[str, Any]:
    """Return the style of the index-th series without a line, as arguments of `Axes.errorbar`."""
    return {**series_style(index), "linestyle": "none"}


def set_frame(axes: Axes, colour: str, width: float) -> None:
    """Prepare axes for a picture: no ticks, no grid, a border of this colour and width in points."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=width > 0, color=colour, linewidth=width)


def show_picture(axes: Axes, picture: Picture) -> None:
    """Show a picture without ticks or a frame."""
    # "nearest": the pictures of a mini model are 28 pixels wide, and smoothing would hide what was predicted.
    axes.imshow(picture, interpolation="nearest")
    set_frame(axes, GREY, 0)


def _plain(value: float, _position: float) -> str:
    return f"{value:g}"


def use_plain_log_ticks(axis: Axis) -> None:
    """Put ticks at 1, 2 and 5 times each power of ten on a logarithmic axis, whose range is often less than a decade.

    matplotlib's own labels of such an axis are formulas, which STYLE switches off.
    """
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(_plain)
    axis.set_minor_locator(NullLocator())


def format_range(n: "pd.Series[int]") -> str:
    """Return the count, or `low to high` where counts differ."""
    low, high = int(n.min()), int(n.max())
    return str(low) if low == high else f"{low} to {high}"


def error_bars(table: pd.DataFrame, value: str, low: str = "low", high: str = "high") -> NDArray[np.float64]:
    """Return the lengths of error bars [2, row] in percent, as `Axes.errorbar` expects them."""
    middle = 100 * table[value].to_numpy()
    lengths: NDArray[np.float64] = np.abs(100 * table[[low, high]].to_numpy().T - middle)
    return lengths


def series_offsets(count: int) -> Sequence[float]:
    """Return vertical offsets that keep the marks of several series on one row apart."""
    return np.linspace(-0.25, 0.25, count).tolist() if count > 1 else [0.0] * count


def plot_intervals(axes: Axes, table: pd.DataFrame, models: Sequence[str], value: str) -> None:
    """Plot one mark with its interval for each model and row.

    Parameters
    ----------
    table
        Columns model, row (y position), `value`, low and high (shares).
    """
    for index, (model, offset) in enumerate(zip(models, series_offsets(len(models)), strict=True)):
        part, mark = table[table["model"] == model], marker_style(index)
        axes.errorbar(
            100 * part[value].to_numpy(),
            part["row"].to_numpy(dtype=float) + offset,
            xerr=error_bars(part, value),
            elinewidth=1.1,
            ecolor=mark["color"],
            **mark,
        )
    if table.empty:
        axes.text(50, 0, "no such decision in this run", ha="center", va="center", color=GREY)


def add_chance_line(axes: Axes) -> None:
    """Draw a dashed vertical line at 50 percent."""
    axes.axvline(50, color="black", linewidth=0.9, linestyle="--", zorder=1)


def dashed_handle(label: str) -> Line2D:
    """Return the legend entry of a dashed line."""
    return Line2D([], [], color="black", linewidth=0.9, linestyle="--", label=label)


def add_model_legend(figure: Figure, models: Sequence[str], dashed: str) -> None:
    """Add a legend with the marks of the models and the meaning of the dashed line above the panels."""
    handles = [Line2D([], [], **marker_style(k), label=model) for k, model in enumerate(models)]
    figure.legend(handles=[*handles, dashed_handle(dashed)], loc="outside upper center", ncols=5)


def spread_labels(positions: Sequence[float], gap: float) -> list[float]:
    """Move label positions apart to at least `gap` in one sweep, each as little as possible; their order is kept."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    blocks: list[list[float]] = []  # each: sum of the wanted first positions, number of members
    for rank, index in enumerate(order):
        blocks.append([positions[index] - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    firsts = [total / count for total, count in blocks for _ in range(int(count))]
    moved = [0.0] * len(order)
    for rank, index in enumerate(order):
        moved[index] = firsts[rank] + rank * gap
    return moved


@matplotlib.rc_context(STYLE)
def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure to `stem` + .svg and .png (150 dpi), each atomically, clear it, and return the two paths.

    The same figure gives the same bytes: no date, no random ids.
    """
    use_fallback_fonts(figure, stem.name)
    formats: dict[str, dict[str, Any]] = {".svg": {"metadata": {"Date": None}}, ".png": {"dpi": 150}}
    for suffix, options in formats.items():
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the log has named them
            figure.savefig(buffer, format=suffix[1:], **options)
        write_atomically(stem.with_name(stem.name + suffix), buffer.getvalue())
    figure.clear()
    return [stem.with_name(stem.name + suffix) for suffix in formats]
