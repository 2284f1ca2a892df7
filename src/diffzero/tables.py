"""Tables 1 and 3 of Clark & Jaini (2023) from predictions: data frames, their Markdown, and one writer for both.

Seeds redraw the noise, not the images. So an item's seeds are averaged first, n counts items, and the interval is that
of n items: pooling seeds would call the same image several independent ones.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffzero.binding import TASKS
from diffzero.files import write_atomically
from diffzero.statistics import binomial_pvalue, holm, proportion_difference, wilson

# Test images a data set in the paper's Table 1. It had fewer where a test set is smaller, which its table does not say.
PAPER_EXAMPLES = 4096
SIGNIFICANT = 0.01  # the paper's level for Table 3
SPLITS = ("all", "seen", "held-out")
REPORTED = {"imagen": "Imagen", "stable-diffusion-v1-4": "SD v1.4", "clip-vit-l-14": "CLIP L/14"}
TABLE1_COLUMNS = (
    "model", "dataset", "accuracy", "low", "high", "n", "calls_per_image", "seconds", "undecided", "paper", "agrees",
    "kind",
)  # fmt: skip
TABLE3_COLUMNS = (
    "task", "model", "split", "accuracy", "low", "high", "n", "pvalue", "significant", "significant_holm",
    "calls_per_item", "undecided", *REPORTED,
)  # fmt: skip
MISSING = "–"
HEADER1 = (
    "Data set", "Model", "Accuracy (%)", "n", "Calls per image", "Seconds", "Undecided (%)", "Paper (%)", "Agrees",
)  # fmt: skip
INTERVAL_NOTE = "Accuracy in % with its Wilson 95 % interval in brackets; n is the number of"


def _require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    absent = [name for name in columns if name not in frame]
    if absent:
        raise ValueError(
            f"{what}: found columns {list(frame.columns)}, expected also {absent}; write the files again with this "
            "version (delete them, then repeat the command)."
        )


def _summaries(predictions: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """accuracy, low, high, n, calls (mean), undecided (share) for each value of the keys, in order of appearance."""
    _require(predictions, [*keys, "item", "correct", "calls", "undecided"], "predictions")
    identity = [*keys, "item", *(["seed"] if "seed" in predictions else [])]
    twice = predictions.loc[predictions.duplicated(identity), identity]
    if len(twice):
        raise ValueError(
            f"predictions: found {twice.iloc[0].to_dict()} more than once ({len(twice)} rows too many), expected each "
            "item once a seed; read each predictions file once."
        )
    rows = []
    for key, group in predictions.groupby(keys, sort=False):
        share = group.groupby("item")["correct"].mean()
        low, high = wilson(float(share.sum()), len(share))
        rows.append((*key, share.mean(), low, high, len(share), group["calls"].mean(), group["undecided"].mean()))
    return pd.DataFrame(rows, columns=[*keys, "accuracy", "low", "high", "n", "calls", "undecided"])


def _with_missing(cells: pd.DataFrame, levels: dict[str, Sequence[str]]) -> pd.DataFrame:
    """The cells in the order of the levels' product; a cell that nobody ran has n = 0 and nan elsewhere."""
    grid = pd.MultiIndex.from_product(list(levels.values()), names=list(levels)).to_frame(index=False)
    return grid.merge(cells, how="left", on=list(levels)).fillna({"n": 0}).astype({"n": "int64"})


def _reported(cells: pd.DataFrame, paper: pd.DataFrame | None) -> pd.Series:
    """The paper's accuracy [cell] in [0, 1], nan where it has none."""
    if paper is None:
        return pd.Series(np.nan, cells.index)
    _require(paper, ["model", "dataset", "accuracy"], "the paper's Table 1")
    wanted = cells[["model", "dataset"]].merge(paper, on=["model", "dataset"])
    twice = wanted[wanted.duplicated(["model", "dataset"])]
    if len(twice):
        model, dataset = twice.iloc[0][["model", "dataset"]]
        raise ValueError(
            f"the paper's Table 1: found several accuracies for {model!r} on {dataset!r}, expected one; keep the rows "
            "of the resolution that was run (column `resolution`: 64 or 224 for CLIP)."
        )
    return cells.merge(wanted, how="left", on=["model", "dataset"], suffixes=("_ours", ""))["accuracy"] / 100


def _agrees(accuracy: float, n: int, paper: float) -> object:
    if not n or np.isnan(paper):
        return pd.NA
    low, high = proportion_difference(accuracy * n, n, paper * PAPER_EXAMPLES, PAPER_EXAMPLES)
    return low <= 0 <= high


def table1(predictions: pd.DataFrame, costs: pd.DataFrame, paper: pd.DataFrame | None = None) -> pd.DataFrame:
    """TABLE1_COLUMNS, one row a (data set, model), data set first, both in order of appearance in `predictions`.

    accuracy, low, high (Wilson 95 %), undecided (share of items with several classes left at max_scores) and paper are
    in [0, 1]; n counts items; calls_per_image is nan for a baseline; seconds is the sum over the shards in `costs`, nan
    without any. agrees: whether Newcombe's 95 % interval of the difference to the paper, with its 4096 examples, holds
    0; NA where the paper has no such cell. A model that skipped a data set has n = 0.

    predictions: columns of predictions.parquet, model, dataset, kind ("diffusion" or "baseline"), seed. costs: model,
    dataset, seconds, one row a shard. paper: model, dataset, accuracy in percent, as reported.
    Raises ValueError for an absent column, an item met twice, or several reported numbers for one cell.
    """
    keys = ["model", "dataset"]
    _require(predictions, ["kind", "seed"], "predictions")
    _require(costs, [*keys, "seconds"], "costs")
    levels = {name: list(predictions[name].unique()) for name in ("dataset", "model")}
    cells = _with_missing(_summaries(predictions, keys), levels).rename(columns={"calls": "calls_per_image"})
    cells["kind"] = cells["model"].map(predictions.drop_duplicates("model").set_index("model")["kind"])
    seconds = costs.groupby(keys, as_index=False)["seconds"].sum(min_count=1)
    cells = cells.merge(seconds, how="left", on=keys)
    cells["paper"] = _reported(cells, paper)
    agrees = [_agrees(*cell) for cell in zip(cells["accuracy"], cells["n"], cells["paper"], strict=True)]
    cells["agrees"] = pd.array(agrees, dtype="boolean")
    return cells[list(TABLE1_COLUMNS)]


def _by_split(predictions: pd.DataFrame) -> pd.DataFrame:
    _require(predictions, ["held_out"], "predictions of the binding tasks")
    held_out = predictions["held_out"].astype(bool)
    parts = {"all": predictions, "seen": predictions[~held_out], "held-out": predictions[held_out]}
    return pd.concat([part.assign(split=split) for split, part in parts.items()], ignore_index=True)


def table3(predictions: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """TABLE3_COLUMNS, one row a (task, model, split): the paper's order of tasks, models in order of appearance.

    Splits: "all", "seen" and "held-out" (scenes with a combination that no training image had). accuracy, low, high
    (Wilson 95 %), undecided and the paper's three columns are in [0, 1]; n counts items; n = 0 where nothing was run.
    pvalue: two-sided exact binomial test against one half, of either direction. significant: p < 0.01, as in the paper.
    significant_holm: still so after Holm's correction over the tasks of the same model and split.

    predictions: columns of predictions.parquet with task and held_out, and model. paper: column task and one column a
    model, in percent. Raises ValueError for an absent column, an item met twice, or a task that the paper lacks.
    """
    _require(paper, ["task", *REPORTED], "the paper's Table 3")
    _require(predictions, ["model", "task"], "predictions of the binding tasks")
    tasks, models = list(paper["task"]), list(predictions["model"].unique())
    unknown = sorted(set(predictions["task"]) - set(tasks))
    if unknown:
        raise ValueError(f"predictions: found the tasks {unknown}, expected some of {tasks}; leave the others out.")
    keys = ["task", "model", "split"]
    cells = _with_missing(_summaries(_by_split(predictions), keys), {"task": tasks, "model": models, "split": SPLITS})
    # With several seeds the successes are a mean: the exact test takes the nearest whole number.
    successes = (cells["accuracy"].fillna(0) * cells["n"]).round().astype(int)
    cells["pvalue"] = [binomial_pvalue(k, n) for k, n in zip(successes, cells["n"], strict=True)]
    cells["significant"] = cells["pvalue"] < SIGNIFICANT
    corrected = cells.groupby(["model", "split"])["pvalue"].transform(lambda family: holm(family.to_numpy()))
    cells["significant_holm"] = corrected < SIGNIFICANT
    reported = paper.set_index("task")[list(REPORTED)] / 100
    cells = cells.rename(columns={"calls": "calls_per_item"}).join(reported, on="task")
    return cells[list(TABLE3_COLUMNS)]


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # A task's name holds a bar, which would end its Markdown cell.
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _number(value: float, digits: int, scale: float = 1) -> str:
    """The rounded value, empty where there is none to expect; a run that is missing is shown as MISSING instead."""
    return "" if pd.isna(value) else f"{value * scale:,.{digits}f}"


def _percent(value: float) -> str:
    return _number(value, 1, 100)


def _with_interval(cell: pd.Series) -> str:
    if not cell["n"]:
        return MISSING
    return f"{_percent(cell['accuracy'])} [{_percent(cell['low'])}, {_percent(cell['high'])}]"


def _missing_note(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [f"Missing ({MISSING}): {'; '.join(listed)}."] if listed else []


def _row1(cell: pd.Series) -> list[str]:
    """The cells of HEADER1 for one row of Table 1."""
    name = [cell["dataset"], cell["model"]]
    if not cell["n"]:
        return [*name, MISSING, "0", *[MISSING] * 4, _percent(cell["paper"]), ""]
    baseline = cell["kind"] == "baseline"
    calls = "none" if baseline else _number(cell["calls_per_image"], 1)
    undecided = "" if baseline else _percent(cell["undecided"])
    agrees = "" if pd.isna(cell["agrees"]) else ("yes" if cell["agrees"] else "no")
    measured = [_with_interval(cell), str(cell["n"]), calls, _number(cell["seconds"], 1), undecided]
    return [*name, *measured, _percent(cell["paper"]), agrees]


def _markdown1(table: pd.DataFrame) -> list[str]:
    note = (
        f"{INTERVAL_NOTE} test images. A call is one evaluation of the denoiser; a baseline needs none. Seconds are "
        "those spent on scoring. Undecided: several classes were still in the race at the largest number of draws."
    )
    header, rows = HEADER1, [_row1(cell) for _, cell in table.iterrows()]
    if table["paper"].notna().any():
        note += " Agrees: the 95 % interval of the difference to the paper's accuracy holds 0."
    else:
        header, rows = header[:-2], [row[:-2] for row in rows]
    absent = table[table["n"] == 0]
    missing = _missing_note(f"{cell['model']} on {cell['dataset']}" for _, cell in absent.iterrows())
    return [_grid(header, rows), note, *missing]


def _task_rows(table: pd.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """One row a task, then the mean number of calls: a cell for each model, n, and the paper's three numbers."""
    rows = []
    for task, cells in table.groupby("task", sort=False):
        row = [str(task)]
        for _, cell in cells.set_index("model").loc[list(models)].iterrows():
            text = _with_interval(cell)
            row.append(f"**{text}**{'†' if cell['significant_holm'] else ''}" if cell["significant"] else text)
        counts = sorted(set(cells.loc[cells["n"] > 0, "n"])) or [0]
        row.append("–".join(str(count) for count in sorted({counts[0], counts[-1]})))
        rows.append(row + [_number(cells[name].iloc[0], 0, 100) for name in REPORTED])
    calls = table.groupby("model")["calls_per_item"].mean()
    return [*rows, ["Mean calls per item", *(_number(calls[model], 1) or "none" for model in models), "", "", "", ""]]


def _split_rows(table: pd.DataFrame) -> list[list[str]]:
    """One row a (model, split): the mean over the tasks of each kind that were run, and over all of them."""
    kinds = table["task"].map({task.name: task.kind for task in TASKS})
    rows = []
    for (model, split), cells in table[table["split"] != "all"].groupby(["model", "split"], sort=False):
        means = cells["accuracy"].groupby(kinds[cells.index]).mean()
        means = [*(means.get(kind, np.nan) for kind in ("recognition", "pair", "binding")), cells["accuracy"].mean()]
        rows.append([model, split, *(_percent(mean) or MISSING for mean in means), str(cells["n"].sum())])
    return rows


def _markdown3(table: pd.DataFrame) -> list[str]:
    models = list(table["model"].unique())
    whole = table[table["split"] == "all"]
    header = ["Task", *models, "n", *(f"{name} (reported)" for name in REPORTED.values())]
    split_header = ["Model", "Scenes", "Recognition", "Pair", "Binding", "All tasks", "n"]
    note = (
        f"{INTERVAL_NOTE} decisions between a true and a false sentence (chance 50 %). **Bold**: differs from "
        "chance, two-sided exact binomial test, p < 0.01; †: also after Holm's correction over the model's tasks. "
        "(reported): the paper's accuracy in %, 1000 decisions a task, on images of its own."
    )
    split_note = (
        "Mean accuracy over tasks in %; n is the number of decisions. Held-out scenes show a combination of shape "
        "and colour that no training image had. No interval: the tasks share scenes, so that their errors are not "
        "independent; the CSV has the Wilson 95 % interval of each task."
    )
    absent = whole[whole["n"] == 0]
    missing = _missing_note(f"{cell['model']} on {cell['task']}" for _, cell in absent.iterrows())
    tasks, splits = _grid(header, _task_rows(whole, models)), _grid(split_header, _split_rows(table))
    return [tasks, note, splits, split_note, *missing]


def to_markdown(table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Markdown of what `table1` or `table3` returned, saying what n and the interval are and what is missing.

    `notes` are paragraphs put after it, such as that a model was trained on the very domain it is tested on.
    """
    parts = _markdown3(table) if "task" in table else _markdown1(table)
    return "\n\n".join([*parts, *notes]) + "\n"


def write(table: pd.DataFrame, markdown: str, csv_path: Path, md_path: Path) -> None:
    """Nothing; both files are written, each atomically, floats in the CSV with 6 significant digits."""
    write_atomically(csv_path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    write_atomically(md_path, markdown.encode())
