"""Appendix C: how much an accuracy varies over noise seeds and random splits of the images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.rows import iter_rows
from diffzero.analysis.statistics import VarianceComponents, variance_components
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import NO_VALUE, Layout, TableResult, format_interval, format_number
from diffzero.reporting.tables.base import summarise_cells

COLUMNS = (
    "model", "dataset", "seeds", "n", "accuracy", "low", "high", "calls", *VarianceComponents._fields, "paper",
)  # fmt: skip
HEADER = (
    "Model", "Data set", "Accuracy (%)", "n", "Seeds", "Calls", "SD over seeds", "SD from noise", "SD from images", "SD over splits",
    "Paper",
)  # fmt: skip


def build_seed_variance(predictions: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Build the table of seed variance.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet, model, dataset and seed.
    paper
        The numbers that the paper reports on ablations.

    Returns
    -------
    One row per (model, data set). Columns:

    - model, dataset (str).
    - seeds, n (int64): noise seeds and items.
    - accuracy, low, high (float64): as in Table 1.
    - calls (float64): of all seeds; nan for a baseline.
    - sd_seeds, sd_noise, sd_images, sd_splits (float64): fields of `VarianceComponents`; nan where one seed does not determine them.
    - paper (float64): the standard deviation over random splits that the paper reports.
    """
    reported = paper[paper["where"] == "appendix C"].set_index("model")["value"] / 100
    rows = []
    for cell in iter_rows(summarise_cells(predictions, ["model", "dataset"])):
        group = predictions[(predictions["model"] == cell.model) & (predictions["dataset"] == cell.dataset)]
        correct = group.pivot(index="item", columns="seed", values="correct").dropna().astype(float)
        components = variance_components(correct.to_numpy())
        paper_sd = float(reported.get(cell.model.split("@")[0], np.nan))
        value = (cell.accuracy, cell.low, cell.high, group["calls"].sum(min_count=1))
        rows.append((cell.model, cell.dataset, correct.shape[1], cell.n, *value, *components, paper_sd))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def format_seed_variance(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_seed_variance`, with standard deviations in percentage points."""
    rows = [
        [c["model"], c["dataset"], format_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]), str(c["seeds"]),
         format_number(c["calls"], 0),
         *(format_number(c[name], 2, 100, NO_VALUE) for name in VarianceComponents._fields),
         format_number(c["paper"], 1, 100, NO_VALUE)]
        for _, c in table.iterrows()
    ]  # fmt: skip
    note = (
        "Standard deviations of the accuracy in percentage points, for n images; calls are those of all seeds. SD from noise: what new "
        "noise would change on the same images; SD from images: what other images would change; both follow from the variance within "
        "and between images over seeds. SD over splits: from four random parts of the images, scaled to n, both causes together, as "
        "in the paper; four parts determine a standard deviation only to about 40 %. "
        "The first two need a second seed (`noise_seeds: [0, 1]`); a baseline has no noise."
    )
    return [Layout("Appendix C: variance over seeds and splits", HEADER, rows, [note, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the seed variance of a run."""
    table = build_seed_variance(inputs.load_predictions("classification"), inputs.load_reported("ablations"))
    return TableResult(table, format_seed_variance(table, inputs.missing_notes("classification")))
