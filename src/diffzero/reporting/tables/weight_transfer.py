"""Transfer of learned weights: fitted on one data set, evaluated on another."""

from collections.abc import Mapping, Sequence

import pandas as pd

from diffzero.analysis.learned_weighting import bucket_errors, fit_weights, learned_correct, make_bucket_weight_fn
from diffzero.analysis.score_array import ScoreArray
from diffzero.reporting.inputs import FULL_SCORES, ReportInputs
from diffzero.reporting.table_format import Layout, TableResult, format_interval, format_number
from diffzero.reporting.tables.base import INTERVAL_NOTE, NO_FULL_SCORES_NOTE, summarise_correct
from diffzero.typing import WeightFn

COLUMNS = ("model", "fitted_on", "dataset", "accuracy", "low", "high", "n", "calls")


def build_transfer(
    data: Mapping[tuple[str, str], ScoreArray], heuristics: Mapping[tuple[str, str], WeightFn]
) -> pd.DataFrame:
    """Build the table of weight transfer from full scores and the heuristic weighting by (model, data set).

    Returns
    -------
    For each (model, data set), one row without labels and one per data set with full scores of the model. Columns:

    - model, fitted_on, dataset (str): fitted_on is "nothing" for the heuristic weighting, which needs no labels. Weights fitted on
      the data set itself are cross-fitted.
    - accuracy, low, high (float64), n (int64, images): with Wilson's 95 % interval.
    - calls (int64): of the scores evaluated on, and of the scores fitted on where these are others.
    """
    rows = []
    for (model, target), scores in data.items():
        correct = scores.correct_under(heuristics[model, target])
        rows.append((model, "nothing", target, *summarise_correct(correct), scores.calls))
        for other, source in data:
            if other != model:
                continue
            calls = scores.calls
            if source == target:
                correct = learned_correct(scores)
            else:
                origin = data[model, source]
                weights = fit_weights(bucket_errors(origin), origin.label)
                correct = scores.correct_under(make_bucket_weight_fn(weights))
                calls += origin.calls
            rows.append((model, source, target, *summarise_correct(correct), calls))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def format_transfer(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_transfer`."""
    header = ["Model", "Weights fitted on", "Evaluated on", "Accuracy (%)", "n", "Calls"]
    rows = [[c["model"], c["fitted_on"], c["dataset"], format_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
             format_number(c["calls"], 0)] for _, c in table.iterrows()]  # fmt: skip
    note = (
        f"{INTERVAL_NOTE} images; calls are those of all scores behind the row. Where weights are fitted on the data set that they are "
        "evaluated on, each half of its images is evaluated with weights of the other half. Fitted on nothing: the heuristic weighting "
        "exp(-decay t). A row between two data sets needs full scores of both."
    )
    none = [] if len(table) else [NO_FULL_SCORES_NOTE]
    return [Layout("Transfer of learned weights", header, rows, [note, *none, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the weight transfer of a run."""
    table = build_transfer(inputs.score_arrays, inputs.heuristics)
    return TableResult(table, format_transfer(table, inputs.missing_notes(FULL_SCORES)))
