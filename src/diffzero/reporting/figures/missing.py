"""Placeholders of figures whose inputs do not exist yet."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from diffzero.reporting.digests import write_digests
from diffzero.reporting.figures import FIGURES, FigureKey
from diffzero.reporting.figures.style import STYLE, new_figure, save_figure
from diffzero.reporting.table_format import write_csv


@matplotlib.rc_context(STYLE)
def draw_missing(title: str, note: str) -> Figure:
    """Draw a placeholder that contains only the title and the note."""
    figure = new_figure(4.8, 1.6)
    figure.text(0.5, 0.7, title, ha="center", fontsize=10)
    figure.text(0.5, 0.35, textwrap.fill(note, 70), ha="center", va="center", fontsize=8)
    return figure


def write_missing_figures(run_dir: Path, keys: Iterable[FigureKey], note: str) -> None:
    """Write placeholders of these figures, and CSV files with the note in place of the data behind them."""
    figures_dir = run_dir / "figures"
    for key in keys:
        kind = FIGURES[key.kind]
        title = " on ".join(filter(None, key[1:]))
        figure = draw_missing(f"{kind.title}: {title}" if title else kind.title, note)
        pictures = save_figure(figure, figures_dir / key.stem)
        data = [figures_dir / f"{stem.format(stem=key.stem)}.csv" for stem in kind.data]
        for path in data:
            write_csv(pd.DataFrame({"missing": [note]}), path)
        write_digests(figures_dir / f"{key.stem}.json", [*pictures, *data], {})
