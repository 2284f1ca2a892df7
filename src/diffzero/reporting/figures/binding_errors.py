"""Errors of attribute binding."""

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.analysis.binding_errors import summarise_binding_errors
from diffzero.analysis.load import read_fresh
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, add_chance_line, add_model_legend, new_figure, plot_intervals
from diffzero.reporting.inputs import ReportInputs


@matplotlib.rc_context(STYLE)
def draw_binding_errors(shapes: pd.DataFrame, larger: pd.DataFrame) -> Figure:
    """Draw which shapes are confused, and whether the larger object's attribute is preferred.

    Parameters
    ----------
    shapes, larger
        The tables of `diffzero.analysis.binding_errors.BindingErrors`.
    """
    models = list(dict.fromkeys([*shapes["model"], *larger["model"]]))
    pairs = list(dict.fromkeys(zip(shapes["true"], shapes["false"], strict=True)))
    attributes = list(dict.fromkeys(larger["attribute"]))
    figure = new_figure(7.4, 0.34 * max(len(pairs), len(attributes) * 2) + 1.7)
    left, right = figure.subplots(1, 2)
    rows = [pairs.index(pair) for pair in zip(shapes["true"], shapes["false"], strict=True)]
    plot_intervals(left, shapes.assign(row=rows), models, "accuracy")
    left.set_yticks(range(len(pairs)), [f"{true}, not {false}" for true, false in pairs])
    left.set_title("Which shapes are confused", loc="left")
    left.set_xlabel("Accuracy (%)")
    plot_intervals(right, larger.assign(row=larger["attribute"].map(attributes.index)), models, "share")
    right.set_yticks(range(len(attributes)), [f"its {name}" for name in attributes])
    right.set_title("Is the larger object preferred?", loc="left")
    right.set_xlabel("Decisions for the larger object's\nattribute (%)")
    for axes, count in ((left, len(pairs)), (right, len(attributes))):
        add_chance_line(axes)
        axes.set_xlim(-2, 102)
        axes.set_ylim(max(count, 1) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
    add_model_legend(figure, models, "chance")
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw the binding errors of a run on its rendered scenes."""
    files = inputs.datasets[inputs.scenes]
    errors = summarise_binding_errors(
        inputs.load_predictions("binding"),
        read_fresh(files["items"]),
        inputs.load_prompts(inputs.scenes)["prompts"],
        read_fresh(files["images"]).drop(columns="bytes"),
    )
    data = {"binding_errors-shapes": errors.shapes, "binding_errors-larger": errors.larger}
    return FigureResult(draw_binding_errors(errors.shapes, errors.larger), data)
