"""Table 2: shape accuracy and shape bias on cue-conflict images, in total and by category."""

from collections.abc import Collection, Sequence

import pandas as pd

from diffzero.analysis.rows import iter_rows
from diffzero.analysis.statistics import wilson_interval
from diffzero.data.selection import CUES
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
    accuracy_interval,
    differs_from_paper,
    list_requested,
    summarise_cells,
)
from diffzero.reporting.tables.notes import top5_notes

PAPER_CUE_IMAGES = 1280
BIAS_COLUMNS = ("conflict_accuracy", "conflict_n", "shape_bias", "bias_low", "bias_high", "bias_n")
COLUMNS = (
    "model", "dataset", "shape_accuracy", "low", "high", "n", *BIAS_COLUMNS, "calls_per_image", "paper", "differs_from_paper",
)  # fmt: skip
CATEGORY_COLUMNS = (
    "model", "category", "accuracy", "low", "high", "n", "shape", "texture", "other", "bias", "bias_low", "bias_high", "bias_n",
)  # fmt: skip
HEADER = (
    "Model", "Data set", "Shape accuracy (%)", "n", "Shape accuracy on conflicts (%)", "Conflicts", "Shape bias (%)", "n (bias)",
    "Calls per image", "Paper (%)", "Differs from paper",
)  # fmt: skip


def _shape_bias(group: pd.DataFrame) -> tuple[float, float, float, float]:
    """Return shape / (shape + texture) decisions where the cues differ, its Wilson interval, and shape + texture.

    With several seeds, decisions are counted as shares of an image, so that n counts images.
    """
    conflict = group[group["shape_label"] != group["texture_label"]]
    weight = 1 / conflict.groupby("item")["item"].transform("size")
    shape = float(weight[conflict["prediction"] == conflict["shape_label"]].sum())
    both = shape + float(weight[conflict["prediction"] == conflict["texture_label"]].sum())
    low, high = wilson_interval(shape, both) if both else (float("nan"), float("nan"))
    return (shape / both if both else float("nan")), low, high, both


def _conflict_accuracy(group: pd.DataFrame) -> tuple[float, int]:
    """Return the share of images with different cues that are predicted as their shape's class, and their number."""
    images = group[group["shape_label"] != group["texture_label"]].groupby("item")["correct"].mean()
    return float(images.mean()), len(images)


def select_cue_datasets(
    predictions: pd.DataFrame, requested: pd.DataFrame, cue_datasets: Collection[str] = ()
) -> pd.DataFrame:
    """Return the requested results on `cue_datasets` and on data sets for which some prediction has CUES."""
    with_cues = _select_with_cues(predictions)
    return requested[requested["dataset"].isin({*with_cues["dataset"], *cue_datasets})]


def _select_with_cues(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions with CUES; correct means that the class of the shape was predicted."""
    absent = [cue for cue in CUES if cue not in predictions]
    selected = predictions.reindex(columns=[*predictions.columns, *absent]).dropna(subset=CUES)
    return selected.assign(correct=selected["prediction"] == selected["shape_label"]) if len(selected) else selected


def build_table2(predictions: pd.DataFrame, paper: pd.DataFrame, requested: pd.DataFrame | None = None) -> pd.DataFrame:
    """Build Table 2 from the predictions that have CUES.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet, model and dataset; shape_label and texture_label where images have both.
    paper
        Columns model and shape_accuracy (in percent).
    requested
        Columns model and dataset of every result on a data set with CUES.

    Returns
    -------
    One row per (data set, model), requested ones first. Columns:

    - model, dataset (str).
    - shape_accuracy, low, high (float64): share of all images predicted as their shape's class, with Wilson's 95 % interval.
    - n (int64): images; 0 without results.
    - conflict_accuracy (float64), conflict_n (int64): the same of the images whose cues differ, and their number.
    - shape_bias, bias_low, bias_high, bias_n (float64): shape decisions among decisions for shape or texture, where the cues
      differ; Wilson's 95 % interval; the number of such decisions.
    - calls_per_image (float64): nan for a baseline.
    - paper (float64), differs_from_paper (boolean): as in Table 1.
    """
    keys = ["model", "dataset"]
    selected = _select_with_cues(predictions)
    cells = summarise_cells(selected, keys).rename(columns={"accuracy": "shape_accuracy", "calls": "calls_per_image"})
    bias = [
        (*key, *_conflict_accuracy(group), *_shape_bias(group)) for key, group in selected.groupby(keys, sort=False)
    ]
    cells = cells.merge(pd.DataFrame(bias, columns=[*keys, *BIAS_COLUMNS]), on=keys)
    cells = list_requested(keys, requested, selected).merge(cells, how="left", on=keys)
    cells = cells.fillna({"n": 0, "conflict_n": 0}).astype({"n": "int64", "conflict_n": "int64"})
    cells["paper"] = cells["model"].map(paper.set_index("model")["shape_accuracy"] / 100)
    differs = [
        differs_from_paper(cell.shape_accuracy, cell.n, cell.paper, PAPER_CUE_IMAGES) for cell in iter_rows(cells)
    ]
    return cells.assign(differs_from_paper=pd.array(differs, dtype="boolean"))[list(COLUMNS)]


def _format_row(cell: pd.Series) -> list[str]:
    return [
        cell["model"],
        cell["dataset"],
        format_interval(cell["shape_accuracy"], cell["low"], cell["high"], cell["n"]),
        str(cell["n"]),
        format_percent(cell["conflict_accuracy"]),
        str(cell["conflict_n"]),
        format_interval(cell["shape_bias"], cell["bias_low"], cell["bias_high"], cell["bias_n"] > 0),
        format_number(cell["bias_n"], 0, absent=NO_VALUE),
        format_number(cell["calls_per_image"], 1, absent=NOT_APPLICABLE if cell["n"] else NO_VALUE),
        format_percent(cell["paper"]),
        format_difference_flag(cell["differs_from_paper"]),
    ]


def _reported_row(row: pd.Series) -> list[str]:
    """Return the row of a model that only the paper has."""
    remark = f" (reported; {row['note']})" if isinstance(row["note"], str) else " (reported)"
    name = [f"{row['model']}{remark}", "cue-conflict"]
    values = [NO_VALUE, "0", NO_VALUE, "0", NO_VALUE, NO_VALUE, NO_VALUE]
    return [*name, *values, f"{row['shape_accuracy']:.1f}", NO_VALUE]


def format_table2(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_table2`, with the paper's other models below."""
    rows = [_format_row(cell) for _, cell in table.iterrows()]
    rows += [_reported_row(row) for _, row in paper[~paper["model"].isin(table["model"])].iterrows()]
    own = [
        f"{INTERVAL_NOTE} images. Shape accuracy: share of all images predicted as the class of their shape, the paper's number. "
        "Conflicts: images whose shape and texture differ. "
        f"Shape bias: share of shape decisions among the decisions for shape or texture, on conflicts. {DIFFERENCE_NOTE}"
    ]
    if not len(table):
        own.append(
            "No data set of this run has both a shape and a texture label; add cue-conflict images to `datasets`."
        )
    absent = [f"{c['model']} on {c['dataset']}" for _, c in table[table["n"] == 0].iterrows()]
    return [Layout("Table 2: shape or texture", HEADER, rows, [*own, *missing_note(absent), *notes])]


def shape_bias_by_category(predictions: pd.DataFrame, classnames: Sequence[str]) -> pd.DataFrame:
    """Compute shape accuracy and shape bias by category of the shape.

    Parameters
    ----------
    predictions
        Those on one data set, with CUES.
    classnames
        Class names of the data set by label.

    Returns
    -------
    One row per model and category; the last category of a model is `all`. Columns:

    - model, category (str).
    - accuracy, low, high (float64), n (int64): of all images of the category, as in Table 2.
    - shape, texture, other (float64): decisions on its conflicts, in images; the seeds of an image are averaged.
    - bias, bias_low, bias_high, bias_n (float64): as in Table 2.
    """
    selected, rows = _select_with_cues(predictions), []
    for model, group in selected.groupby("model", sort=False):
        labels = sorted(group["shape_label"].unique().astype(int))
        parts = [(classnames[label], group[group["shape_label"] == label]) for label in labels]
        for category, part in [*parts, ("all", group)]:
            bias, bias_low, bias_high, both = _shape_bias(part)
            accuracy, conflicts = _conflict_accuracy(part)
            shape = accuracy * conflicts if conflicts else 0.0
            counts = (shape, both - shape, conflicts - both)
            rows.append((model, category, *accuracy_interval(part), *counts, bias, bias_low, bias_high, both))
    return pd.DataFrame(rows, columns=list(CATEGORY_COLUMNS))


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format Table 2 of a run."""
    predictions, paper = inputs.load_predictions("classification"), inputs.load_reported("table2")
    requested = inputs.list_requested("classification")
    table = build_table2(predictions, paper, select_cue_datasets(predictions, requested, inputs.cue_datasets))
    shown = predictions[predictions["dataset"].isin(table["dataset"])]
    notes = [*top5_notes(shown), *inputs.missing_notes("classification")] if len(table) else []
    return TableResult(table, format_table2(table, paper, notes))
