"""Differences in accuracy between models on the same images."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.analysis.rows import iter_rows
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import PALETTE, STYLE, new_figure
from diffzero.reporting.inputs import ReportInputs

LEVEL = 0.05


@matplotlib.rc_context(STYLE)
def draw_paired_comparison(table: pd.DataFrame) -> Figure:
    """Draw differences between models with their bootstrap intervals; marks are filled where p < LEVEL after Holm's correction.

    Parameters
    ----------
    table
        From `diffzero.reporting.tables.paired_comparison.build_paired_comparison`.
    """
    figure = new_figure(7.0, 0.26 * len(table) + 1.5)
    axes = figure.subplots()
    for row, pair in enumerate(iter_rows(table)):
        value, low, high = 100 * pair.difference, 100 * pair.low, 100 * pair.high
        fill = PALETTE[0] if pair.pvalue_holm < LEVEL else "white"
        axes.plot([low, high], [row, row], color=PALETTE[0], linewidth=1.4)
        axes.plot(value, row, "o", color=PALETTE[0], markerfacecolor=fill, markersize=6)
    axes.axvline(0, color="black", linewidth=0.9, linestyle="--", zorder=1)
    names = [f"{pair.dataset}: {pair.model_a} − {pair.model_b} (n = {pair.n})" for pair in iter_rows(table)]
    axes.set_yticks(range(len(table)), names)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(
        f"Difference in accuracy (points), bootstrap 95 % interval;\nfilled: p < {LEVEL} after Holm's correction"
    )
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw the paired comparison of a run from its table."""
    return FigureResult(draw_paired_comparison(inputs.load_table("paired_comparison")))
