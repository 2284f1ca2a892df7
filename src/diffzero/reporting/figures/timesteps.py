"""Scores and their contribution to the decision by timestep."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from diffzero.analysis.timesteps import timestep_profile
from diffzero.reporting.figures import FigureKey, FigureResult
from diffzero.reporting.figures.style import PALETTE, STYLE, error_bars, new_figure, series_style, use_plain_log_ticks
from diffzero.reporting.inputs import ReportInputs


@matplotlib.rc_context(STYLE)
def draw_timesteps(profile: pd.DataFrame, title: str) -> Figure:
    """Draw the scores of the true class and its strongest rival against t, and the contribution of each t to the decision.

    Parameters
    ----------
    profile
        From `diffzero.analysis.timesteps.timestep_profile`.
    """
    figure = new_figure(6.4, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for index, (name, label) in enumerate((("true", "right prompt"), ("rival", "strongest wrong prompt"))):
        upper.plot(profile["t"], profile[name], label=label, **series_style(index))
    upper.set_yscale("log")
    use_plain_log_ticks(upper.yaxis)
    upper.set_ylabel("Squared error (log scale)")
    upper.legend(loc="lower right")
    images = int(profile["n"].max())
    upper.set_title(f"{title}: means over up to {images} images in {len(profile)} buckets of t", loc="left")
    t, lead = profile["t"], 100 * profile["weighted"]
    width = 0.8 * np.diff(t).min() if len(profile) > 1 else 0.08
    reach = error_bars(profile, "weighted", "weighted_low", "weighted_high")
    lower.bar(t, lead, width=width, color=PALETTE[0], alpha=0.85)
    lower.errorbar(t, lead, yerr=reach, linestyle="none", color="black", elinewidth=1.1, capsize=2)
    lower.axhline(0, color="black", linewidth=0.9)
    lower.set(xlim=(0, 1), xlabel="t (0: no noise, 1: only noise)")
    lower.set_ylabel("Weighted difference, wrong − right\nprompt (% of the right one's mean score)")
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw the timesteps of a run's full scores."""
    key = model, dataset
    profile = timestep_profile(inputs.score_arrays[key], inputs.weight_fns[key])
    stem = FigureKey("timesteps", model, dataset).stem
    return FigureResult(draw_timesteps(profile, f"{model} on {dataset}"), {stem: profile})
