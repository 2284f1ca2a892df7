"""Figures of small tables written by hand."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from diffzero.reporting.figures.confusion import draw_confusion
from diffzero.reporting.figures.paired_comparison import draw_paired_comparison


def confusion() -> Figure:
    return draw_confusion(np.array([[5, 1, 0], [0, 4, 2], [0, 0, 0]]), ["bag", "coat", "dress"], "mini-sd on fashion")


def paired_comparison() -> Figure:
    rows = {"dataset": "digits", "model_a": ["a", "a"], "model_b": ["b", "c"], "n": 30, "difference": [0.1, -0.4]}
    return draw_paired_comparison(
        pd.DataFrame({**rows, "low": [-0.1, -0.6], "high": [0.3, -0.2], "pvalue_holm": [0.3, 0.001]})
    )
