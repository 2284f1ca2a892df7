"""One look for every figure: readable in grey and on paper, and the same bytes for the same data."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE = {
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
    "svg.fonttype": "none",  # text stays text: searchable, and small
    "svg.hashsalt": "diffzero",  # else the ids in an SVG are random
}
# Okabe & Ito (2008), told apart by the colour-blind; marker and dash carry the difference in grey.
COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1, 1, 1, 1, 1)))
GREY = "0.45"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, drawn by Agg and unknown to pyplot: nothing global, nothing left open."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def look(index: int) -> dict[str, object]:
    """Colour, marker and line style of the index-th series, as arguments of `Axes.plot`."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def frame(axes: Axes, colour: str, width: float) -> None:
    """Nothing; the axes hold a picture: no ticks, no grid, a border of that colour and width in points."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=width > 0, color=colour, linewidth=width)


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """The positions, each moved as little as a simple sweep can so that no two are nearer than `gap`, order kept."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    blocks: list[list[float]] = []  # each: sum of the wished-for first positions, number of members
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
