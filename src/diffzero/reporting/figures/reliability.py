"""Figure 5: reliability diagrams of two confidences."""

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffzero.analysis.rows import iter_rows
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, error_bars, marker_style, new_figure
from diffzero.reporting.inputs import ReportInputs


@matplotlib.rc_context(STYLE)
def draw_reliability(bins: pd.DataFrame, table: pd.DataFrame, title: str) -> Figure:
    """Draw accuracy against confidence, one panel per confidence, with Wilson's 95 % intervals and the images of each bin.

    Parameters
    ----------
    bins, table
        From `diffzero.analysis.calibration.calibrate`, of one model and data set.
    """
    figure = new_figure(7.0, 3.9)
    for index, (axes, row) in enumerate(zip(figure.subplots(1, 2, sharey=True), iter_rows(table), strict=True)):
        _plot_bins(axes, bins[bins["confidence_kind"] == row.confidence], index)
        axes.set_title(f"{row.confidence}\nECE {row.ece:.3f} on {row.n} images", loc="left", fontsize=9)
    figure.axes[0].set_ylabel("Accuracy (%)")
    n = int(table["n_calibration"].iloc[0])
    figure.suptitle(f"{title}: fitted on {n} other images; numbers: images per bin", fontsize=9)
    return figure


def _plot_bins(axes: Axes, bins: pd.DataFrame, index: int) -> None:
    axes.plot([0, 100], [0, 100], color="black", linewidth=0.9, linestyle="--", zorder=1)
    middle, reach = 100 * bins["accuracy"].to_numpy(), error_bars(bins, "accuracy")
    axes.errorbar(100 * bins["confidence"], middle, yerr=reach, elinewidth=1.1, **marker_style(index))
    for point in iter_rows(bins):
        place = (100 * point.confidence, 100 * point.accuracy)
        axes.annotate(f"{point.n}", place, xytext=(-6, -4), textcoords="offset points", ha="right", fontsize=7)
    axes.set(xlim=(-3, 103), ylim=(-3, 103), xlabel="Confidence (%)")


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw Figure 5 of a run from its table of calibration and the bins beside it."""
    table, bins = (
        frame[(frame["model"] == model) & (frame["dataset"] == dataset)]
        for frame in (inputs.load_table("calibration"), pd.read_csv(inputs.run_dir / "replayed" / "reliability.csv"))
    )
    return FigureResult(draw_reliability(bins, table, f"{model} on {dataset}"))
