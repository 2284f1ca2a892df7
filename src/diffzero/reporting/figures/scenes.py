"""The contact sheet of rendered scenes."""

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from diffzero.analysis.load import read_fresh
from diffzero.reporting.figures import FigureResult
from diffzero.reporting.figures.style import STYLE, new_figure, set_frame
from diffzero.reporting.inputs import ReportInputs

SCENES_PER_ROW = 6
MAX_SCENES = 18


def _describe_object(scene: pd.Series, side: str) -> str:
    """Describe one object, with the share of it that is hidden."""
    hidden = 1 - scene[f"{side}_visible"]
    words = " ".join(scene[f"{side}_{field}"] for field in ("size", "colour", "material", "shape"))
    return words + (f", {hidden:.0%} hidden" if hidden > 0.005 else "")


@matplotlib.rc_context(STYLE)
def draw_scenes(table: pd.DataFrame) -> Figure:
    """Draw scenes, each below the metadata of its left and its right object.

    Parameters
    ----------
    table
        One row per scene: columns image, bytes, held_out, and shape, colour, size, material and visible of each object, with the prefix
        left_ or right_.
    """
    rows = -(-len(table) // SCENES_PER_ROW)
    figure = new_figure(1.9 * SCENES_PER_ROW, 2.25 * rows)
    grid = figure.subplots(rows, SCENES_PER_ROW, squeeze=False)
    for axes in grid.flat[len(table) :]:
        axes.set_visible(False)
    for axes, (_, scene) in zip(grid.flat, table.iterrows(), strict=False):
        axes.imshow(np.asarray(Image.open(io.BytesIO(scene["bytes"]))))
        set_frame(axes, "black", 2 if scene["held_out"] else 0)
        axes.set_title("\n".join(_describe_object(scene, side) for side in ("left", "right")), fontsize=6.5)
    figure.supxlabel(
        "Above each scene: its left and its right object. Framed: a held-out combination of shape and colour.",
        fontsize=8,
    )
    return figure


def make_figure(inputs: ReportInputs, model: str = "", dataset: str = "") -> FigureResult:
    """Draw the first scenes of a run."""
    images = read_fresh(inputs.datasets[inputs.scenes]["images"])
    return FigureResult(draw_scenes(images.head(MAX_SCENES)))
