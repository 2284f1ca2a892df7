"""The confusion matrix of one model on one data set."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diffzero.analysis.load import load_predictions
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, new_figure
from diffzero.reporting.inputs import ReportInputs

MAX_NAMES = 25  # classes whose names fit beside a matrix
MAX_COUNTS = 12  # with more classes, cells are too small for counts


def permuted_accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the accuracy [0, 1] under the best permutation of the predicted classes, from counts [true, predicted].

    If it is far above the accuracy, the class names are in another order than the labels.
    """
    from scipy.optimize import linear_sum_assignment

    return float(matrix[linear_sum_assignment(-matrix)].sum() / matrix.sum())


@matplotlib.rc_context(STYLE)
def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Draw counts [true, predicted] as shares of each row, with the counts where they fit; rows without images are blank."""
    classes = len(names)
    side = min(max(0.34 * classes, 3.2), 7.5)
    figure = new_figure(side + 1.9, side + 1.2)
    axes = figure.subplots()
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(100 * matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axes.grid(False)
    if classes <= MAX_NAMES:
        axes.set_xticks(range(classes), names, rotation=90)
        axes.set_yticks(range(classes), names)
    if classes <= MAX_COUNTS:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if share[row, column] > 60 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    accuracy, permuted = np.trace(matrix) / matrix.sum(), permuted_accuracy(matrix)
    axes.set_title(
        f"{title}\naccuracy {100 * accuracy:.1f} %, {100 * permuted:.1f} % after the best permutation", loc="left"
    )
    figure.colorbar(image, ax=axes, shrink=0.7, label="Share of the true class's images (%)")
    return figure


def make_figure(inputs: ReportInputs, model: str, dataset: str) -> FigureResult:
    """Draw the confusion matrix of a model on a data set, at the run's first seed: one prediction per image."""
    wanted = (model, dataset, inputs.seed)
    sources = [s for s in inputs.predictions["classification"] if (s["model"], s["dataset"], s["seed"]) == wanted]
    predictions, names = load_predictions(sources), inputs.load_prompts(dataset)["classnames"]
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)  # [true, predicted]
    np.add.at(matrix, (predictions["label"].to_numpy(), predictions["prediction"].to_numpy()), 1)
    return FigureResult(draw_confusion(matrix, names, f"{model} on {dataset}"))
