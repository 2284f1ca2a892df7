"""Table 3: the twenty attribute-binding tasks, their tests against chance, and seen and held-out combinations separately."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.statistics import binomial_pvalue, holm_adjust
from diffzero.binding.tasks import TASKS
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import (
    NOT_APPLICABLE,
    Layout,
    TableResult,
    format_interval,
    format_number,
    format_percent,
    missing_note,
)
from diffzero.reporting.tables.base import (
    INTERVAL_NOTE,
    differs_from_paper,
    fill_missing_cells,
    list_requested,
    require_columns,
    summarise_cells,
)
from diffzero.reporting.tables.notes import BINDING_NOTE

SIGNIFICANCE_LEVEL = 0.01  # the paper's level for Table 3
SPLITS = ("all", "seen", "held-out")
PAPER_DECISIONS = 1000  # per task
REPORTED = {"imagen": "Imagen", "stable-diffusion-v1-4": "SD v1.4", "clip-vit-l-14": "CLIP L/14"}
COLUMNS = (
    "task", "model", "split", "accuracy", "low", "high", "n", "pvalue", "significant", "significant_holm",
    "calls_per_item", "calls", "reached_max_scores", "n_reached_max_scores", "differs_from_paper", *REPORTED,
)  # fmt: skip


def _repeat_by_split(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions once for each split that they belong to, in column `split`."""
    require_columns(predictions, ["held_out"], "predictions of the binding tasks")
    held_out = predictions["held_out"].astype(bool)
    parts = {"all": predictions, "seen": predictions[~held_out], "held-out": predictions[held_out]}
    return pd.concat([part.assign(split=split) for split, part in parts.items()], ignore_index=True)


def build_table3(predictions: pd.DataFrame, paper: pd.DataFrame, requested: pd.DataFrame | None = None) -> pd.DataFrame:
    """Build Table 3.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet with task and held_out, and model.
    paper
        Column task and one column per model of REPORTED, in percent.
    requested
        Column model of every result that the run requests.

    Returns
    -------
    One row per (task, model, split): tasks in the paper's order, models in order of appearance, splits as in SPLITS; held-out scenes
    show a combination that no training image had. Columns:

    - task, model, split (str).
    - accuracy, low, high (float64): in [0, 1], with Wilson's 95 % interval.
    - n (int64): items; 0 without results.
    - pvalue (float64): two-sided exact binomial test against one half.
    - significant (bool): pvalue < SIGNIFICANCE_LEVEL, as in the paper.
    - significant_holm (bool): the same after Holm's correction over all tasks and models of the split.
    - calls_per_item, calls (float64): of one seed: the mean over seeds, and the same times n.
    - reached_max_scores, n_reached_max_scores (float64): share and number of items with several classes left after max_scores draws, of
      one seed.
    - differs_from_paper (boolean): on split "all", whether Newcombe's 95 % interval of the difference to the paper's accuracy of the
      same model, with its 1000 decisions, excludes 0; NA elsewhere.
    - one column per model of REPORTED (float64): the paper's accuracy in [0, 1].

    Raises
    ------
    ValueError
        For an absent column, an item that occurs twice, or a task that the paper does not have.
    """
    require_columns(paper, ["task", *REPORTED], "the paper's Table 3")
    require_columns(predictions, ["model", "task"], "predictions of the binding tasks")
    tasks, models = list(paper["task"]), list(list_requested(["model"], requested, predictions)["model"])
    unknown = sorted(set(predictions["task"]) - set(tasks))
    if unknown:
        raise ValueError(f"predictions: found the tasks {unknown}, expected some of {tasks}; leave the others out.")
    keys = ["task", "model", "split"]
    cells = summarise_cells(_repeat_by_split(predictions), keys)
    cells = fill_missing_cells(cells, {"task": tasks, "model": models, "split": SPLITS})
    cells = _add_tests(cells)
    cells = cells.rename(columns={"calls": "calls_per_item"})
    cells["calls"] = cells["calls_per_item"] * cells["n"]
    cells["n_reached_max_scores"] = cells["reached_max_scores"] * cells["n"]
    return _add_paper(cells, paper)[list(COLUMNS)]


def _add_paper(cells: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of REPORTED and differs_from_paper."""
    cells = cells.join(paper.set_index("task")[list(REPORTED)] / 100, on="task")
    comparable = [
        row[row["model"]] if row["model"] in REPORTED and row["split"] == "all" else np.nan
        for _, row in cells.iterrows()
    ]
    values = zip(cells["accuracy"], cells["n"], comparable, strict=True)
    differs = [differs_from_paper(*cell, PAPER_DECISIONS) for cell in values]
    return cells.assign(differs_from_paper=pd.array(differs, dtype="boolean"))


def _add_tests(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the columns pvalue, significant and significant_holm."""
    # With several seeds the successes are a mean: the exact test takes the nearest whole number.
    successes = (cells["accuracy"].fillna(0) * cells["n"]).round().astype(int)
    pvalues = [binomial_pvalue(k, n) for k, n in zip(successes, cells["n"], strict=True)]
    cells = cells.assign(pvalue=pvalues)
    corrected = cells.groupby("split")["pvalue"].transform(lambda family: holm_adjust(family.to_numpy()))
    return cells.assign(
        significant=cells["pvalue"] < SIGNIFICANCE_LEVEL, significant_holm=corrected < SIGNIFICANCE_LEVEL
    )


def _format_cell(cell: pd.Series) -> str:
    """Return the accuracy with its interval and marks, followed by the calls per decision; a baseline makes no calls."""
    text = format_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
    text = f"**{text}**{'†' if cell['significant_holm'] else ''}" if cell["significant"] else text
    differs = "" if pd.isna(cell["differs_from_paper"]) or not cell["differs_from_paper"] else " ≠"
    calls = f" · {format_number(cell['calls_per_item'], 0)}" if cell["calls_per_item"] > 0 else ""
    return f"{text}{differs}{calls}"


def _task_rows(table: pd.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """Return one row per task: a cell for each model, n, and the paper's three numbers."""
    rows = []
    for task, cells in table.groupby("task", sort=False):
        row = [str(task)]
        row += [_format_cell(cell) for _, cell in cells.set_index("model").loc[list(models)].iterrows()]
        counts = sorted(set(cells.loc[cells["n"] > 0, "n"])) or [0]
        row.append("–".join(str(count) for count in sorted({counts[0], counts[-1]})))
        rows.append(row + [format_number(cells[name].iloc[0], 0, 100) for name in REPORTED])
    return rows


def _total_rows(table: pd.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """Return the mean calls per item over all tasks, and the number of items that reached max_scores."""
    groups = table.groupby("model")
    calls, reached, items = groups["calls_per_item"].mean(), groups["n_reached_max_scores"].sum(), groups["n"].sum()
    blank = [""] * (1 + len(REPORTED))
    calls_row = [format_number(calls[model], 1) for model in models]
    reached_row = [
        f"{reached[model]:,.0f} of {items[model]:,}" if calls[model] > 0 else NOT_APPLICABLE for model in models
    ]
    return [["Mean calls per item", *calls_row, *blank], ["Items that reached max_scores", *reached_row, *blank]]


def _split_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return one row per (model, split): mean accuracies over the tasks of each kind, and over all tasks."""
    kinds = table["task"].map({task.name: task.kind for task in TASKS})
    rows = []
    for (model, split), cells in table[table["split"] != "all"].groupby(["model", "split"], sort=False):
        by_kind = cells["accuracy"].groupby(kinds[cells.index]).mean()
        means = [by_kind.get(kind, np.nan) for kind in ("recognition", "pair", "binding")]
        texts = [format_percent(mean) for mean in [*means, cells["accuracy"].mean()]]
        rows.append([str(model), str(split), *texts, str(cells["n"].sum())])
    return rows


def format_table3(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_table3`: the twenty tasks, and seen and held-out combinations separately."""
    models = list(table["model"].unique())
    whole = table[table["split"] == "all"]
    header = ["Task", *models, "n", *(f"{name} (reported)" for name in REPORTED.values())]
    split_header = ["Model", "Scenes", "Recognition", "Pair", "Binding", "All tasks", "n"]
    note = (
        f"{INTERVAL_NOTE} decisions between a true and a false sentence (chance 50 %). **Bold**: differs from "
        "chance, two-sided exact binomial test, p < 0.01; †: also after Holm's correction over the table. The number after the dot is "
        "the calls per decision. (reported): the paper's accuracy in %, 1000 decisions per task, on the paper's own images. Items that "
        "reached max_scores had both sentences left after the largest number of draws."
    )
    if whole["differs_from_paper"].notna().any():
        note += " ≠: the 95 % interval of the difference to the reported accuracy of the same model does not contain 0."
    split_note = (
        "Mean accuracy over tasks in %; n is the number of decisions. Held-out scenes show a combination of shape "
        "and colour that no training image had. There is no interval because the tasks share scenes, so their errors are not "
        "independent; the CSV has the Wilson 95 % interval of each task."
    )
    absent = whole[whole["n"] == 0]
    missing = missing_note(f"{cell['model']} on {cell['task']}" for _, cell in absent.iterrows())
    rows = [*_task_rows(whole, models), *_total_rows(whole, models)]
    return [
        Layout("Table 3: attribute binding", header, rows, [note, *missing]),
        Layout("Seen and held-out combinations", split_header, _split_rows(table), [split_note, *notes]),
    ]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format Table 3 of a run."""
    predictions, requested = inputs.load_predictions("binding"), inputs.list_requested("binding")
    table = build_table3(predictions, inputs.load_reported("table3"), requested)
    return TableResult(table, format_table3(table, [*inputs.missing_notes("binding"), BINDING_NOTE]))
