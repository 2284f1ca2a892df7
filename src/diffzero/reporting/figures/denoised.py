"""Figure 3: images denoised under the right and wrong prompts."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diffzero.analysis.load import load_pictures
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import PALETTE, STYLE, Picture, new_figure, set_frame, show_picture
from diffzero.reporting.inputs import ReportInputs, find_source
from diffzero.typing import Floats


def _format_error(value: float) -> str:
    """Format four significant digits, never an exponent for a large number: readers compare the last digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


@matplotlib.rc_context(STYLE)
def draw_denoised(
    originals: Sequence[Picture] | NDArray[np.uint8],
    prompts: Sequence[str],
    noisy: Sequence[Picture] | NDArray[np.uint8],
    predictions: Sequence[Sequence[Picture]] | NDArray[np.uint8],
    correct: Sequence[int],
    errors: Floats,
) -> Figure:
    """Draw Figure 3 of the paper: each image, its noised version, and the model's denoised image under every prompt.

    Parameters
    ----------
    originals, noisy
        One picture per image [row], uint8 [height, width, 3].
    predictions
        Denoised pictures [row, prompt].
    correct
        The right prompt of each image [row]; its picture is framed.
    errors
        Weighted squared errors [row, prompt], printed below the pictures; the lowest of a row is bold.
    """
    rows, columns = np.shape(errors)
    width, wrapped = 1.15 * (columns + 2) + 0.2, [textwrap.fill(prompt, 15) for prompt in prompts]
    figure = new_figure(width, 1.42 * rows + 0.14 * max(text.count("\n") + 1 for text in wrapped) + 0.35)
    grid = figure.subplots(rows, columns + 2, squeeze=False)
    for axes, title in zip(grid[0], ["image", "noised", *wrapped], strict=True):
        axes.set_title(title, fontsize=8, verticalalignment="bottom")
    for row in range(rows):
        show_picture(grid[row, 0], originals[row])
        show_picture(grid[row, 1], noisy[row])
        lowest = int(np.argmin(errors[row]))
        for column in range(columns):
            axes = grid[row, column + 2]
            show_picture(axes, predictions[row][column])
            if column == correct[row]:
                set_frame(axes, PALETTE[1], 3)
            weight = "bold" if column == lowest else "normal"
            axes.set_xlabel(_format_error(errors[row][column]), fontsize=8, fontweight=weight)
    legend = "Frame: the right prompt. Number: weighted squared error; bold: the lowest of its row."
    figure.supxlabel(textwrap.fill(legend, int(14 * width)), fontsize=8)
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw Figure 3 of a run."""
    pictures = load_pictures(find_source(inputs.denoised, model, dataset)["file"])
    prompts = inputs.load_prompts(dataset)["prompts"]
    figure = draw_denoised(
        pictures["original"],
        [prompts[index] for index in pictures["prompt"]],
        pictures["noisy"],
        pictures["prediction"],
        pictures["correct"].tolist(),
        pictures["error"],
    )
    return FigureResult(figure)
