"""Figure 2: accuracy against denoiser calls per class."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.analysis.load import load_items, load_schedule, load_score_shards
from diffzero.analysis.sweeps import CURVES, efficiency_curves
from diffzero.diffusion.weighting import make_weight_fn
from diffzero.reporting.figures import FigureKey, FigureResult
from diffzero.reporting.figures.style import (
    PALETTE,
    STYLE,
    format_range,
    new_figure,
    series_style,
    use_plain_log_ticks,
)
from diffzero.reporting.inputs import ReportInputs, find_source


@matplotlib.rc_context(STYLE)
def draw_efficiency(curves: pd.DataFrame, model: str, dataset: str) -> Figure:
    """Draw Figure 2 of the paper: accuracy against calls per class, each curve with its interval as a band.

    Parameters
    ----------
    curves
        From `diffzero.analysis.sweeps.efficiency_curves`.

    Raises
    ------
    ValueError
        For an unknown curve.
    """
    unknown = sorted(set(curves["curve"]) - set(CURVES))
    if unknown:
        raise ValueError(f"efficiency curves: found curve {unknown[0]!r}, expected one of {CURVES}.")
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    for index, curve in enumerate(CURVES):
        line = curves[curves["curve"] == curve].sort_values("calls_per_class")
        if line.empty:
            continue
        calls, low, high = line["calls_per_class"], 100 * line["low"], 100 * line["high"]
        axes.fill_between(calls, low, high, color=PALETTE[index], alpha=0.15, linewidth=0)
        axes.plot(calls, 100 * line["accuracy"], label=curve, **series_style(index))
    axes.set_xscale("log")
    use_plain_log_ticks(axes.xaxis)
    axes.set_xlabel("Denoiser calls per class and image (log scale)")
    axes.set_ylabel("Accuracy (%)")
    axes.set_title(f"{model} on {dataset}: {format_range(curves['n'])} images, bands: 95 % interval", loc="left")
    axes.legend(title="Noise", loc="best", alignment="left", handlelength=3.5)
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw Figure 2 of a run."""
    source = find_source(inputs.efficiency, model, dataset)
    weight = make_weight_fn(inputs.weighting, load_schedule(source["weights"]))
    shared, unshared = (load_score_shards(source[key]) for key in ("shared", "unshared"))
    curves = efficiency_curves(load_items(source["items"], shared), shared, unshared, inputs.pruning, weight)
    stem = FigureKey("efficiency", model, dataset).stem
    return FigureResult(draw_efficiency(curves, model, dataset), {stem: curves})
