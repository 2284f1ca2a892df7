"""The contact sheet of rendered scenes: what the binding tasks are about, to be looked at before any number."""

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from diffzero.reporting.figures.style import STYLE, frame, new_figure

COLUMNS = 6


def _words(scene: pd.Series, side: str) -> str:
    return f"{scene[f'{side}_size']} {scene[f'{side}_colour']} {scene[f'{side}_material']} {scene[f'{side}_shape']}"


@matplotlib.rc_context(STYLE)
def scenes(table: pd.DataFrame) -> Figure:
    """Scenes with what their metadata says of the left and the right object, the share of each that is visible where it is not all.

    table: image, bytes, held_out, and left_ and right_ shape, colour, size, material, visible; one row a scene.
    """
    rows = -(-len(table) // COLUMNS)
    figure = new_figure(1.9 * COLUMNS, 2.25 * rows)
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(table) :]:
        axes.set_visible(False)
    for axes, (_, scene) in zip(grid.flat, table.iterrows(), strict=False):
        axes.imshow(np.asarray(Image.open(io.BytesIO(scene["bytes"]))))
        frame(axes, "black", 2 if scene["held_out"] else 0)
        lines = []
        for side in ("left", "right"):
            hidden = 1 - scene[f"{side}_visible"]
            lines.append(_words(scene, side) + (f", {hidden:.0%} hidden" if hidden > 0.005 else ""))
        axes.set_title("\n".join(lines), fontsize=6.5)
    figure.supxlabel(
        "Above each: its left and its right object. Framed: a held-out combination of shape and colour.", fontsize=8
    )
    return figure
