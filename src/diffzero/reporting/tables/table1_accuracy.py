"""Table 1: accuracy of every model on every data set, beside the paper's."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from diffzero.reporting.table_format import MISSING, Layout, agreement, missing_note, number, percent, with_interval
from diffzero.reporting.tables.base import (
    INTERVAL_NOTE,
    agrees,
    costs_of,
    expected,
    paper_examples,
    require,
    summaries,
    with_missing,
)

COLUMNS = (
    "model", "dataset", "accuracy", "low", "high", "n", "calls_per_image", "calls", "seconds", "gpu_hours", "undecided",
    "tied", "paper", "agrees", "kind",
)  # fmt: skip
HEADER = (
    "Data set", "Model", "Accuracy (%)", "n", "Calls per image", "Calls", "Seconds", "GPU hours", "Undecided (%)",
    "Paper (%)", "Agrees",
)  # fmt: skip
OPTIONAL = ("GPU hours", "Paper (%)", "Agrees")  # columns that are left out where no row fills them


def _reported(cells: pd.DataFrame, paper: pd.DataFrame | None) -> pd.Series:
    """The paper's accuracy [cell] in [0, 1], nan where it has none."""
    if paper is None:
        return pd.Series(np.nan, cells.index)
    require(paper, ["model", "dataset", "accuracy"], "the paper's Table 1")
    wanted = cells[["model", "dataset"]].merge(paper, on=["model", "dataset"])
    twice = wanted[wanted.duplicated(["model", "dataset"])]
    if len(twice):
        model, dataset = twice.iloc[0][["model", "dataset"]]
        raise ValueError(
            f"the paper's Table 1: found several accuracies for {model!r} on {dataset!r}, expected one; keep the rows "
            "of the resolution that was run (column `resolution`: 64 or 224 for CLIP)."
        )
    return cells.merge(wanted, how="left", on=["model", "dataset"], suffixes=("_ours", ""))["accuracy"] / 100


def table1(
    predictions: pd.DataFrame,
    costs: pd.DataFrame,
    paper: pd.DataFrame | None = None,
    wanted: pd.DataFrame | None = None,
    sizes: Mapping[str, int | None] | None = None,
) -> pd.DataFrame:
    """COLUMNS, one row a (data set, model), data set first, in order of appearance in `wanted`, then in `predictions`.

    accuracy, low, high (Wilson 95 %), undecided (share of items with several classes left at max_scores) and paper are
    in [0, 1]; n counts items, tied the decisions (of all seeds) between classes whose means were equal to the last bit;
    calls_per_image is nan for a baseline; calls, seconds and gpu_hours are sums over the shards in `costs`, nan without
    any. agrees: whether Newcombe's 95 % interval of the difference to the paper, with its `paper_examples`, holds 0; NA
    where the paper has no such cell. A model that skipped a data set has n = 0.

    predictions: columns of predictions.parquet, model, dataset, kind ("diffusion" or "baseline"), seed. costs: model,
    dataset, calls, seconds, gpu_hours, one row a shard. paper: model, dataset, accuracy in percent, as reported.
    wanted: model, dataset, kind of every result that the run asks for, whether it is there or not. sizes: images of whole
    test sets by data set, None where unknown.
    Raises ValueError for an absent column, an item met twice, or several reported numbers for one cell.
    """
    keys = ["model", "dataset"]
    require(predictions, ["kind", "seed", "tied"], "predictions")
    names = expected([*keys, "kind"], wanted, predictions)
    levels = {name: list(names[name].unique()) for name in ("dataset", "model")}
    cells = with_missing(summaries(predictions, keys), levels).rename(columns={"calls": "calls_per_image"})
    cells["kind"] = cells["model"].map(names.drop_duplicates("model").set_index("model")["kind"])
    tied = predictions.groupby(keys, as_index=False)["tied"].sum().astype({"tied": "int64"})
    cells = cells.merge(tied, how="left", on=keys).merge(costs_of(costs), how="left", on=keys)
    cells["paper"] = _reported(cells, paper)
    agree = [agrees(c.accuracy, c.n, c.paper, paper_examples(c.dataset, sizes)) for c in cells.itertuples()]
    cells["agrees"] = pd.array(agree, dtype="boolean")
    return cells[list(COLUMNS)]


def _row(cell: pd.Series) -> list[str]:
    """The texts of HEADER for one row of the table."""
    name = [cell["dataset"], cell["model"]]
    if not cell["n"]:
        return [*name, MISSING, "0", *[MISSING] * 5, percent(cell["paper"]), ""]
    baseline = cell["kind"] == "baseline"
    calls = ["none", ""] if baseline else [number(cell["calls_per_image"], 1), number(cell["calls"], 0)]
    spent = [number(cell["seconds"], 1), number(cell["gpu_hours"], 2)]
    undecided = "" if baseline else percent(cell["undecided"])
    accuracy = with_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
    return [
        *name,
        accuracy,
        str(cell["n"]),
        *calls,
        *spent,
        undecided,
        percent(cell["paper"]),
        agreement(cell["agrees"]),
    ]


def _others(dataset: str, table: pd.DataFrame, paper: pd.DataFrame | None) -> list[list[str]]:
    """The paper's numbers on a data set of models that this run has not: reported, so never in the column of measured ones."""
    if paper is None:
        return []
    rows = paper[(paper["dataset"] == dataset) & ~paper["model"].isin(table["model"])]
    blank = [MISSING, "0", *[""] * (len(HEADER) - 6)]
    return [[dataset, f"{r.model} (reported)", *blank, f"{r.accuracy:.1f}", ""] for r in rows.itertuples()]


def layout1(table: pd.DataFrame, notes: Sequence[str] = (), paper: pd.DataFrame | None = None) -> Layout:
    """What `table1` returned, to be read; columns that no row fills are left out. `notes` follow its own.

    paper: model, dataset, accuracy in percent; what it reports of other models on these data sets stands below ours.
    """
    own = [
        f"{INTERVAL_NOTE} test images. A call is one evaluation of the denoiser; a baseline needs none. Calls, seconds and GPU "
        "hours are those spent on scoring, whenever that was. Undecided: several classes were still in the race at the largest "
        "number of draws."
    ]
    if table["paper"].notna().any():
        own[0] += " ≠: the 95 % interval of the difference to the paper's accuracy does not hold 0."
    ties = [f"{c['tied']:.0f} of {c['model']} on {c['dataset']}" for _, c in table[table["tied"] > 0].iterrows()]
    if ties:
        own.append(f"Exact ties, decided for the lowest label: {'; '.join(ties)}.")
    absent = table[table["n"] == 0]
    own += missing_note(f"{cell['model']} on {cell['dataset']}" for _, cell in absent.iterrows())
    rows = []
    for dataset, cells in table.groupby("dataset", sort=False):
        rows += [_row(cell) for _, cell in cells.iterrows()] + _others(dataset, table, paper)
    keep = [
        k for k, head in enumerate(HEADER) if head not in OPTIONAL or any(row[k] not in ("", MISSING) for row in rows)
    ]
    return Layout(
        "Table 1: zero-shot accuracy",
        [HEADER[k] for k in keep],
        [[row[k] for k in keep] for row in rows],
        [*own, *notes],
    )
