"""Figure 6: images that a model generates from the class prompts."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diffzero.analysis.load import load_pictures
from diffzero.models.sampling import MAX_PROMPTS
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, new_figure, show_picture
from diffzero.reporting.inputs import ReportInputs, find_source


@matplotlib.rc_context(STYLE)
def draw_samples(pictures: NDArray[np.uint8], prompts: Sequence[str], title: str) -> Figure:
    """Draw Figure 6 of the paper: pictures [prompt, image, height, width, 3] that a model generates, one column per prompt."""
    columns, rows = pictures.shape[:2]
    wrapped = [textwrap.fill(prompt, 15) for prompt in prompts]
    figure = new_figure(1.02 * columns + 0.2, 1.02 * rows + 0.14 * max(text.count("\n") + 1 for text in wrapped) + 0.35)
    grid = figure.subplots(rows, columns, squeeze=False)
    for column, text in enumerate(wrapped):
        grid[0, column].set_title(text, fontsize=7, verticalalignment="bottom")
        for row in range(rows):
            show_picture(grid[row, column], pictures[column, row])
    figure.supxlabel(title, fontsize=8)
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw Figure 6 of a run."""
    source = find_source(inputs.samples, model, dataset)
    prompts = inputs.load_prompts(dataset)["prompts"][:MAX_PROMPTS]
    title = f"{model}: {source['settings']}; all generated images"
    return FigureResult(draw_samples(load_pictures(source["file"])["pictures"], prompts, title))
