"""Table 3: the twenty attribute-binding tasks, their tests against chance, and seen and held-out combinations apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.statistics import binomial_pvalue, holm
from diffzero.binding.tasks import TASKS
from diffzero.reporting.table_format import MISSING, Layout, missing_note, number, percent, with_interval
from diffzero.reporting.tables.base import INTERVAL_NOTE, agrees, expected, require, summaries, with_missing

SIGNIFICANT = 0.01  # the paper's level for Table 3
SPLITS = ("all", "seen", "held-out")
PAPER_DECISIONS = 1000  # a task
REPORTED = {"imagen": "Imagen", "stable-diffusion-v1-4": "SD v1.4", "clip-vit-l-14": "CLIP L/14"}
COLUMNS = (
    "task", "model", "split", "accuracy", "low", "high", "n", "pvalue", "significant", "significant_holm",
    "calls_per_item", "calls", "undecided", "undecided_items", "agrees", *REPORTED,
)  # fmt: skip


def _by_split(predictions: pd.DataFrame) -> pd.DataFrame:
    require(predictions, ["held_out"], "predictions of the binding tasks")
    held_out = predictions["held_out"].astype(bool)
    parts = {"all": predictions, "seen": predictions[~held_out], "held-out": predictions[held_out]}
    return pd.concat([part.assign(split=split) for split, part in parts.items()], ignore_index=True)


def table3(predictions: pd.DataFrame, paper: pd.DataFrame, wanted: pd.DataFrame | None = None) -> pd.DataFrame:
    """COLUMNS, one row a (task, model, split): the paper's order of tasks, models in order of appearance.

    Splits: "all", "seen" and "held-out" (scenes with a combination that no training image had). accuracy, low, high
    (Wilson 95 %), undecided and the paper's three columns are in [0, 1]; n counts items; n = 0 where nothing was run;
    calls and undecided_items are those of one seed: the means over seeds, times n.
    pvalue: two-sided exact binomial test against one half, of either direction. significant: p < 0.01, as in the paper.
    significant_holm: still so after Holm's correction over all tasks and models of the same split.
    agrees: of "all", whether Newcombe's 95 % interval of the difference to the paper's accuracy of the same model, with its 1000
    decisions, holds 0; NA elsewhere and where the paper has no such model.

    predictions: columns of predictions.parquet with task and held_out, and model. paper: column task and one column a
    model, in percent. wanted: column model, of every model that the run asks for.
    Raises ValueError for an absent column, an item met twice, or a task that the paper lacks.
    """
    require(paper, ["task", *REPORTED], "the paper's Table 3")
    require(predictions, ["model", "task"], "predictions of the binding tasks")
    tasks, models = list(paper["task"]), list(expected(["model"], wanted, predictions)["model"])
    unknown = sorted(set(predictions["task"]) - set(tasks))
    if unknown:
        raise ValueError(f"predictions: found the tasks {unknown}, expected some of {tasks}; leave the others out.")
    keys = ["task", "model", "split"]
    cells = with_missing(summaries(_by_split(predictions), keys), {"task": tasks, "model": models, "split": SPLITS})
    # With several seeds the successes are a mean: the exact test takes the nearest whole number.
    successes = (cells["accuracy"].fillna(0) * cells["n"]).round().astype(int)
    cells["pvalue"] = [binomial_pvalue(k, n) for k, n in zip(successes, cells["n"], strict=True)]
    cells["significant"] = cells["pvalue"] < SIGNIFICANT
    corrected = cells.groupby("split")["pvalue"].transform(lambda family: holm(family.to_numpy()))
    cells["significant_holm"] = corrected < SIGNIFICANT
    reported = paper.set_index("task")[list(REPORTED)] / 100
    cells = cells.rename(columns={"calls": "calls_per_item"}).join(reported, on="task")
    cells["calls"] = cells["calls_per_item"] * cells["n"]
    cells["undecided_items"] = cells["undecided"] * cells["n"]
    said = [
        row[row["model"]] if row["model"] in REPORTED and row["split"] == "all" else np.nan
        for _, row in cells.iterrows()
    ]
    agree = [agrees(*cell, PAPER_DECISIONS) for cell in zip(cells["accuracy"], cells["n"], said, strict=True)]
    return cells.assign(agrees=pd.array(agree, dtype="boolean"))[list(COLUMNS)]


def _cell(cell: pd.Series) -> str:
    """Accuracy with its interval and marks, and behind a dot the calls of one decision; a baseline makes none."""
    text = with_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
    text = f"**{text}**{'†' if cell['significant_holm'] else ''}" if cell["significant"] else text
    differs = "" if pd.isna(cell["agrees"]) or cell["agrees"] else " ≠"
    return f"{text}{differs}" + (f" · {number(cell['calls_per_item'], 0)}" if cell["calls_per_item"] > 0 else "")


def _task_rows(table: pd.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """One row a task, then the mean number of calls: a cell for each model, n, and the paper's three numbers."""
    rows = []
    for task, cells in table.groupby("task", sort=False):
        row = [str(task)]
        row += [_cell(cell) for _, cell in cells.set_index("model").loc[list(models)].iterrows()]
        counts = sorted(set(cells.loc[cells["n"] > 0, "n"])) or [0]
        row.append("–".join(str(count) for count in sorted({counts[0], counts[-1]})))
        rows.append(row + [number(cells[name].iloc[0], 0, 100) for name in REPORTED])
    return [*rows, *_sum_rows(table, models)]


def _sum_rows(table: pd.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """What the tasks took together: mean calls an item, and how many races were undecided at max_scores."""
    groups = table.groupby("model")
    calls, undecided, items = groups["calls_per_item"].mean(), groups["undecided_items"].sum(), groups["n"].sum()
    blank = [""] * (1 + len(REPORTED))
    called = [number(calls[model], 1) or "none" for model in models]
    left = [f"{undecided[model]:,.0f} of {items[model]:,}" if calls[model] > 0 else "" for model in models]
    return [["Mean calls per item", *called, *blank], ["Undecided items", *left, *blank]]


def _split_rows(table: pd.DataFrame) -> list[list[str]]:
    """One row a (model, split): the mean over the tasks of each kind that were run, and over all of them."""
    kinds = table["task"].map({task.name: task.kind for task in TASKS})
    rows = []
    for (model, split), cells in table[table["split"] != "all"].groupby(["model", "split"], sort=False):
        means = cells["accuracy"].groupby(kinds[cells.index]).mean()
        means = [*(means.get(kind, np.nan) for kind in ("recognition", "pair", "binding")), cells["accuracy"].mean()]
        rows.append([model, split, *(percent(mean) or MISSING for mean in means), str(cells["n"].sum())])
    return rows


def layouts3(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """What `table3` returned, to be read: the twenty tasks, and seen and held-out combinations apart. `notes` follow."""
    models = list(table["model"].unique())
    whole = table[table["split"] == "all"]
    header = ["Task", *models, "n", *(f"{name} (reported)" for name in REPORTED.values())]
    split_header = ["Model", "Scenes", "Recognition", "Pair", "Binding", "All tasks", "n"]
    note = (
        f"{INTERVAL_NOTE} decisions between a true and a false sentence (chance 50 %). **Bold**: differs from "
        "chance, two-sided exact binomial test, p < 0.01; †: also after Holm's correction over the table. Behind the dot: calls a "
        "decision. (reported): the paper's accuracy in %, 1000 decisions a task, on images of its own. Undecided items were "
        "still in the race at the largest number of draws."
    )
    if whole["agrees"].notna().any():
        note += " ≠: the 95 % interval of the difference to the same model's reported accuracy does not hold 0."
    split_note = (
        "Mean accuracy over tasks in %; n is the number of decisions. Held-out scenes show a combination of shape "
        "and colour that no training image had. No interval: the tasks share scenes, so that their errors are not "
        "independent; the CSV has the Wilson 95 % interval of each task."
    )
    absent = whole[whole["n"] == 0]
    missing = missing_note(f"{cell['model']} on {cell['task']}" for _, cell in absent.iterrows())
    return [
        Layout("Table 3: attribute binding", header, _task_rows(whole, models), [note, *missing]),
        Layout("Seen and held-out combinations", split_header, _split_rows(table), [split_note, *notes]),
    ]
