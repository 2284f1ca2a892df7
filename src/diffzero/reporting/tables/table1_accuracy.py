"""Table 1: accuracy of every model on every data set, beside the paper's."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.load import load_costs, load_equal_labels, match_reported_models
from diffzero.analysis.rows import iter_rows
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import (
    NO_VALUE,
    NOT_APPLICABLE,
    Layout,
    TableResult,
    format_difference_flag,
    format_interval,
    format_number,
    format_percent,
    missing_note,
)
from diffzero.reporting.tables.base import (
    DIFFERENCE_NOTE,
    INTERVAL_NOTE,
    TestSizes,
    count_paper_images,
    differs_from_paper,
    fill_missing_cells,
    list_requested,
    require_columns,
    sum_costs,
    summarise_cells,
)
from diffzero.reporting.tables.notes import dataset_notes, equal_label_notes, top5_notes

COLUMNS = (
    "model", "dataset", "accuracy", "low", "high", "n", "calls_per_image", "calls", "seconds", "gpu_hours", "reached_max_scores",
    "exact_ties", "paper", "differs_from_paper", "kind",
)  # fmt: skip
HEADER = (
    "Data set", "Model", "Accuracy (%)", "n", "Calls per image", "Calls", "Seconds", "GPU hours", "Reached max_scores (%)",
    "Paper (%)", "Differs from paper",
)  # fmt: skip
OPTIONAL = ("GPU hours", "Paper (%)", "Differs from paper")  # columns that are left out where no row has a value


def _reported_accuracy(cells: pd.DataFrame, paper: pd.DataFrame | None) -> "pd.Series[float]":
    """Return the paper's accuracy [cell] in [0, 1], nan where it has none."""
    if paper is None:
        return pd.Series(np.nan, cells.index)
    require_columns(paper, ["model", "dataset", "accuracy"], "the paper's Table 1")
    reported = cells[["model", "dataset"]].merge(paper, on=["model", "dataset"])
    repeated = reported[reported.duplicated(["model", "dataset"])]
    if len(repeated):
        model, dataset = repeated.iloc[0][["model", "dataset"]]
        raise ValueError(
            f"the paper's Table 1: found several accuracies for {model!r} on {dataset!r}, expected one; keep the rows "
            "of the resolution that was run (column `resolution`: 64 or 224 for CLIP)."
        )
    return cells.merge(reported, how="left", on=["model", "dataset"], suffixes=("_ours", ""))["accuracy"] / 100


def build_table1(
    predictions: pd.DataFrame,
    costs: pd.DataFrame,
    paper: pd.DataFrame | None = None,
    requested: pd.DataFrame | None = None,
    test_sizes: TestSizes | None = None,
) -> pd.DataFrame:
    """Build Table 1.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet, model, dataset, kind ("diffusion" or "baseline") and seed.
    costs
        Columns model, dataset, calls, seconds, gpu_hours; one row per shard.
    paper
        Columns model, dataset, accuracy (in percent, as reported).
    requested
        Columns model, dataset, kind of every result that the run requests, whether it exists or not.

    Returns
    -------
    One row per (data set, model), in order of appearance in `requested`, then in `predictions`. Columns:

    - model, dataset, kind (str).
    - accuracy, low, high (float64): in [0, 1], with Wilson's 95 % interval; nan without results.
    - n (int64): items; 0 without results.
    - calls_per_image (float64): nan for a baseline.
    - calls, seconds, gpu_hours (float64): sums over the shards in `costs`, nan without any.
    - reached_max_scores (float64): share of items with several classes left after max_scores draws.
    - exact_ties (float64): predictions of all seeds between classes whose mean scores are equal to the last bit.
    - paper (float64): the accuracy that the paper reports, in [0, 1]; nan where it has no such cell.
    - differs_from_paper (boolean): whether Newcombe's 95 % interval of the difference to the paper excludes 0; NA where the
      paper has no such cell.

    Raises
    ------
    ValueError
        For an absent column, an item that occurs twice, or several reported numbers for one cell.
    """
    keys = ["model", "dataset"]
    require_columns(predictions, ["kind", "seed", "exact_tie"], "predictions")
    names = list_requested([*keys, "kind"], requested, predictions)
    levels = {name: list(names[name].unique()) for name in ("dataset", "model")}
    cells = fill_missing_cells(summarise_cells(predictions, keys), levels).rename(columns={"calls": "calls_per_image"})
    cells["kind"] = cells["model"].map(names.drop_duplicates("model").set_index("model")["kind"])
    ties = predictions.groupby(keys)["exact_tie"].sum().astype("int64").rename("exact_ties").reset_index()
    cells = cells.merge(ties, how="left", on=keys).merge(sum_costs(costs), how="left", on=keys)
    cells["paper"] = _reported_accuracy(cells, paper)
    differs = [
        differs_from_paper(cell.accuracy, cell.n, cell.paper, count_paper_images(cell.dataset, test_sizes))
        for cell in iter_rows(cells)
    ]
    cells["differs_from_paper"] = pd.array(differs, dtype="boolean")
    return cells[list(COLUMNS)]


def _format_row(cell: pd.Series) -> list[str]:
    """Return the texts of HEADER for one row of the table."""
    name, paper = [cell["dataset"], cell["model"]], format_percent(cell["paper"])
    if not cell["n"]:
        return [*name, NO_VALUE, "0", *[NO_VALUE] * 5, paper, NO_VALUE]
    reached = NOT_APPLICABLE if cell["kind"] == "baseline" else format_percent(cell["reached_max_scores"])
    return [
        *name,
        format_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"]),
        str(cell["n"]),
        format_number(cell["calls_per_image"], 1),
        format_number(cell["calls"], 0),
        format_number(cell["seconds"], 1),
        format_number(cell["gpu_hours"], 2),
        reached,
        paper,
        format_difference_flag(cell["differs_from_paper"]),
    ]


def _reported_rows(dataset: str, table: pd.DataFrame, paper: pd.DataFrame | None) -> list[list[str]]:
    """Return rows for models that only the paper has on this data set; their accuracy is never in the column of measured ones."""
    if paper is None:
        return []
    rows = paper[(paper["dataset"] == dataset) & ~paper["model"].isin(table["model"])]
    blank = [NO_VALUE, "0", *[NO_VALUE] * (len(HEADER) - 6)]
    return [[dataset, f"{row.model} (reported)", *blank, f"{row.accuracy:.1f}", NO_VALUE] for row in iter_rows(rows)]


def _format_notes(table: pd.DataFrame) -> list[str]:
    notes = [
        f"{INTERVAL_NOTE} test images. A call is one evaluation of the denoiser; a baseline makes none. Calls, seconds and GPU "
        "hours are those of all scores behind the row, including scores that were computed by an earlier run. Reached max_scores: "
        "several classes were left after the largest number of draws."
    ]
    if table["paper"].notna().any():
        notes[0] += f" {DIFFERENCE_NOTE}"
    ties = [
        f"{c['exact_ties']:.0f} of {c['model']} on {c['dataset']}" for _, c in table[table["exact_ties"] > 0].iterrows()
    ]
    if ties:
        notes.append(f"Exact ties, decided for the lowest label: {'; '.join(ties)}.")
    absent = table[table["n"] == 0]
    return notes + missing_note(f"{cell['model']} on {cell['dataset']}" for _, cell in absent.iterrows())


def format_table1(table: pd.DataFrame, notes: Sequence[str] = (), paper: pd.DataFrame | None = None) -> list[Layout]:
    """Format the result of `build_table1`; columns that no row fills are left out.

    Parameters
    ----------
    notes
        Shown after the table's own notes.
    paper
        As in `build_table1`; its other models on the same data sets are listed below this run's.
    """
    rows = []
    for dataset, cells in table.groupby("dataset", sort=False):
        rows += [_format_row(cell) for _, cell in cells.iterrows()] + _reported_rows(str(dataset), table, paper)
    empty = (NOT_APPLICABLE, NO_VALUE)
    keep = [k for k, head in enumerate(HEADER) if head not in OPTIONAL or any(row[k] not in empty for row in rows)]
    header, rows = [HEADER[k] for k in keep], [[row[k] for k in keep] for row in rows]
    return [Layout("Table 1: zero-shot accuracy", header, rows, [*_format_notes(table), *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format Table 1 of a run."""
    predictions = inputs.load_predictions("classification")
    paper = match_reported_models(inputs.load_reported("table1"))
    requested = inputs.list_requested("classification")
    table = build_table1(predictions, load_costs(inputs.main_costs), paper, requested, inputs.test_sizes)
    datasets = dict.fromkeys(source["dataset"] for source in inputs.predictions.get("classification", ()))
    duplicates = {name: inputs.load_prompts(name)["duplicates"] for name in datasets}
    notes = [
        *top5_notes(predictions),
        *inputs.missing_notes("classification"),
        *dataset_notes(inputs.seen_by_models, duplicates, inputs.count_unreadable()),
        *equal_label_notes(load_equal_labels(inputs.predictions.get("classification", ()))),
    ]
    return TableResult(table, format_table1(table, notes, paper))
