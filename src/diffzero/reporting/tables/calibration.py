"""Figure 5 in numbers: the expected calibration error of both confidences."""

from collections.abc import Sequence

import pandas as pd

from diffzero.analysis.calibration import calibrate
from diffzero.reporting.inputs import FULL_SCORES, ReportInputs
from diffzero.reporting.table_format import (
    NO_VALUE,
    Layout,
    TableResult,
    format_number,
    format_percent,
)
from diffzero.reporting.tables.base import NO_FULL_SCORES_NOTE

HEADER = (
    "Confidence", "Model", "Data set", "ECE", "Accuracy (%)", "n", "n calibration", "Calls per image", "Paper's ECE",
)  # fmt: skip


def format_calibration(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the first result of `diffzero.analysis.calibration.calibrate`, with the paper's numbers below."""
    rows = [
        [c["confidence"], c["model"], c["dataset"], format_number(c["ece"], 3), format_percent(c["accuracy"]), str(c["n"]),
         str(c["n_calibration"]), format_number(c["calls"], 1), NO_VALUE]
        for _, c in table.iterrows()
    ]  # fmt: skip
    for _, row in paper[paper["quantity"] == "ECE"].iterrows():
        name = [row["setting"], f"{row['model']} (reported)", row["dataset"]]
        blank = [NO_VALUE, NO_VALUE, "0", NO_VALUE, NO_VALUE]
        rows.append([*name, *blank, f"{row['value']:.2f}"])
    note = (
        "Expected calibration error in 10 bins of equal width, on n images; n calibration: other images, on which the confidence was "
        "fitted. There is no interval. ECE is biased upwards on few images (about 0.1 for 50), so compare two confidences on the same "
        "images, not with the paper's number."
    )
    none = [] if len(table) else [NO_FULL_SCORES_NOTE]
    return [Layout("Figure 5 in numbers: calibration", HEADER, rows, [note, *none, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the calibration of a run, and the bins of the reliability diagrams."""
    weights = inputs.weight_fns
    data = {key: (scores, weights[key]) for key, scores in inputs.score_arrays.items()}
    table, bins = calibrate(data, inputs.policy)
    layouts = format_calibration(table, inputs.load_reported("ablations"), inputs.missing_notes(FULL_SCORES))
    return TableResult(table, layouts, {"replayed/reliability.csv": bins})
