"""Appendix F: each model alone, and pairs of models combined by learned weights."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from diffzero.analysis.learned_weighting import combined_correct
from diffzero.analysis.score_array import ScoreArray
from diffzero.reporting.inputs import FULL_SCORES, ReportInputs
from diffzero.reporting.table_format import (
    NO_VALUE,
    Layout,
    TableResult,
    format_interval,
    format_number,
)
from diffzero.reporting.tables.base import INTERVAL_NOTE, NO_FULL_SCORES_NOTE, summarise_correct
from diffzero.typing import WeightFn

COLUMNS = ("dataset", "models", "weights", "accuracy", "low", "high", "n", "calls")


def build_combined(
    data: Mapping[tuple[str, str], ScoreArray], heuristics: Mapping[tuple[str, str], WeightFn]
) -> pd.DataFrame:
    """Build the table of combined models from full scores and the heuristic weighting by (model, data set).

    Returns
    -------
    For each data set, two rows per model and one per pair of models with full scores of the same images. Columns:

    - dataset, models, weights (str).
    - accuracy, low, high (float64), n (int64, images): with Wilson's 95 % interval. Learned weights are cross-fitted.
    - calls (int64): of all scores behind the row.
    """
    rows = []
    for dataset in dict.fromkeys(dataset for _, dataset in data):
        models = [model for model, other in data if other == dataset]
        for model in models:
            scores = data[model, dataset]
            heuristic = summarise_correct(scores.correct_under(heuristics[model, dataset]))
            learned = summarise_correct(combined_correct([scores]))
            rows.append((dataset, model, "heuristic", *heuristic, scores.calls))
            rows.append((dataset, model, "20 learned", *learned, scores.calls))
        for pair in combinations(models, 2):
            both = [data[model, dataset] for model in pair]
            if both[0].images == both[1].images:
                calls = sum(scores.calls for scores in both)
                correct = summarise_correct(combined_correct(both))
                rows.append((dataset, " + ".join(pair), "40 learned", *correct, calls))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def format_combined(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_combined`, with the paper's number for the super-resolution stage alone."""
    header = ["Data set", "Models", "Weights", "Accuracy (%)", "n", "Calls", "Paper (%)"]
    rows = [[c["dataset"], c["models"], c["weights"], format_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
             format_number(c["calls"], 0), NO_VALUE] for _, c in table.iterrows()]  # fmt: skip
    for _, row in paper[paper["where"] == "appendix F"].iterrows():
        name = f"{row['model']} (reported; {row['setting']})"
        rows.append([row["dataset"], name, "heuristic", NO_VALUE, "0", NO_VALUE, f"{row['value']:.1f}"])
    note = (
        f"{INTERVAL_NOTE} images. Learned weights are cross-fitted: no image is evaluated with weights that were fitted on its label. "
        "The paper combines Imagen's base and super-resolution stages; here any two models with full scores of the same images are "
        "combined."
    )
    none = [] if len(table) else [NO_FULL_SCORES_NOTE]
    return [Layout("Appendix F: models alone and combined", header, rows, [note, *none, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the combined models of a run."""
    table = build_combined(inputs.score_arrays, inputs.heuristics)
    layouts = format_combined(table, inputs.load_reported("ablations"), inputs.missing_notes(FULL_SCORES))
    return TableResult(table, layouts)
