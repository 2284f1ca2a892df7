"""Table 4: accuracy under each weighting function, from the same full scores."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.learned_weighting import learned_correct
from diffzero.analysis.score_array import ScoreArray
from diffzero.diffusion.weighting import all_weightings
from diffzero.reporting.inputs import FULL_SCORES, ReportInputs
from diffzero.reporting.table_format import (
    NO_VALUE,
    Layout,
    TableResult,
    format_difference_flag,
    format_interval,
    format_number,
    format_percent,
)
from diffzero.reporting.tables.base import (
    DIFFERENCE_NOTE,
    INTERVAL_NOTE,
    NO_FULL_SCORES_NOTE,
    TestSizes,
    count_paper_images,
    differs_from_paper,
    summarise_correct,
)
from diffzero.typing import WeightFn

LEARNED = "learned"
PAPER_DATASET = "caltech101"
COLUMNS = (
    "weighting", "model", "dataset", "accuracy", "low", "high", "n", "draws", "calls", "calls_per_image", "paper",
    "differs_from_paper",
)  # fmt: skip
HEADER = (
    "Weighting", "Model", "Data set", "Accuracy (%)", "n", "Calls per image", "Calls", "Paper (%)", "Differs from paper",
)  # fmt: skip


def build_table4(
    data: Mapping[tuple[str, str], ScoreArray],
    weights: Mapping[tuple[str, str], Mapping[str, WeightFn]],
    paper: pd.DataFrame,
    test_sizes: TestSizes | None = None,
) -> pd.DataFrame:
    """Build Table 4. Every class has every draw, so that the rows differ only in the weighting.

    Parameters
    ----------
    data
        Full scores by (model, data set).
    weights
        The fixed weightings on the model's schedule, by (model, data set) and name.
    paper
        Column weighting and one column per model, in percent. The paper's numbers are for Caltech101, so they are compared with
        results on that data set only.

    Returns
    -------
    One row per (model, data set) and weighting. Columns:

    - weighting, model, dataset (str). The weighting `learned` is cross-fitted on labels, so it is not zero-shot.
    - accuracy, low, high (float64), n (int64, images): with Wilson's 95 % interval.
    - draws, calls, calls_per_image (int64).
    - paper (float64), differs_from_paper (boolean): as in Table 1.
    """
    rows = []
    for (model, dataset), scores in data.items():
        draws, classes = scores.scores.shape[1:]
        for name in order_weightings(weights[model, dataset], paper):
            fixed = weights[model, dataset].get(name)
            correct = learned_correct(scores) if fixed is None else scores.correct_under(fixed)
            reported = np.nan
            if dataset == PAPER_DATASET and model in paper:
                reported = float(paper.set_index("weighting")[model].get(name, np.nan)) / 100
            accuracy, low, high, n = summarise_correct(correct)
            cost = draws, scores.calls, draws * classes
            differs = differs_from_paper(accuracy, n, reported, count_paper_images(dataset, test_sizes))
            rows.append((name, model, dataset, accuracy, low, high, n, *cost, reported, differs))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"differs_from_paper": "boolean"})


def order_weightings(fixed: Mapping[str, WeightFn], paper: pd.DataFrame) -> list[str]:
    """Return the names of the fixed and the learned weightings: those of the paper in its order, then the others."""
    position = {name: number for number, name in enumerate(paper["weighting"])}
    return sorted([*fixed, LEARNED], key=lambda name: position.get(name, len(position)))


def format_table4(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_table4`; the paper's rows follow where this run has none of that model on Caltech101."""
    rows = [
        [c["weighting"], c["model"], c["dataset"], format_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
         format_number(c["calls_per_image"], 0), format_number(c["calls"], 0), format_percent(c["paper"]),
         format_difference_flag(c["differs_from_paper"])]
        for _, c in table.iterrows()
    ]  # fmt: skip
    shown = set(table.loc[table["dataset"] == PAPER_DATASET, "model"])
    blank = [NO_VALUE, "0", NO_VALUE, NO_VALUE]
    for model in paper.columns.drop("weighting"):
        if model not in shown:
            name = f"{model} (reported)"
            rows += [
                [row["weighting"], name, PAPER_DATASET, *blank, f"{row[model]:.1f}", NO_VALUE]
                for _, row in paper.iterrows()
            ]
    note = (
        f"{INTERVAL_NOTE} images, scored without pruning. learned: 20 weights fitted to the labels of the other half of the images, "
        f"so it is not zero-shot; with few images it has too few labels to reach the other weightings. {DIFFERENCE_NOTE}"
    )
    none = [] if len(table) else [NO_FULL_SCORES_NOTE]
    return [Layout("Table 4: weighting functions", HEADER, rows, [note, *none, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format Table 4 of a run."""
    paper = inputs.load_reported("table4")
    table = build_table4(inputs.score_arrays, inputs.fixed_weight_fns, paper, inputs.test_sizes)
    formulas = [f"{kind}: {weighting.formula}" for kind, weighting in all_weightings(inputs.weighting).items()]
    notes = [f"{'; '.join(formulas)}.", *inputs.missing_notes(FULL_SCORES)]
    return TableResult(table, format_table4(table, paper, notes))
