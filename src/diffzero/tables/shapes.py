"""Table 2: shape accuracy on cue-conflict images, and shape bias beside it."""

from collections.abc import Sequence

import pandas as pd

from diffzero.layout import MISSING, Layout, agreement, missing_note, number, percent, with_interval
from diffzero.statistics import wilson
from diffzero.tables.cells import INTERVAL_NOTE, agrees, expected, summaries

CUES = ("shape_label", "texture_label")
PAPER_IMAGES = 1280
COLUMNS = (
    "model", "dataset", "shape_accuracy", "low", "high", "n", "shape_bias", "bias_low", "bias_high", "bias_n",
    "calls_per_image", "paper", "agrees",
)  # fmt: skip


def _bias(group: pd.DataFrame) -> tuple[float, float, float, float]:
    """shape / (shape + texture) decisions among images whose cues differ, its Wilson interval, and shape + texture.

    With several seeds decisions are counted as shares of an image, so that n counts images.
    """
    conflict = group[group["shape_label"] != group["texture_label"]]
    weight = 1 / conflict.groupby("item")["item"].transform("size")
    shape = float(weight[conflict["prediction"] == conflict["shape_label"]].sum())
    both = shape + float(weight[conflict["prediction"] == conflict["texture_label"]].sum())
    low, high = wilson(shape, both) if both else (float("nan"), float("nan"))
    return (shape / both if both else float("nan")), low, high, both


def with_cues(predictions: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """The wanted results on data sets of which some prediction has CUES; and on those named cue-conflict."""
    has = predictions.reindex(columns=predictions.columns.union(CUES)).dropna(subset=list(CUES))
    return wanted[wanted["dataset"].isin({*has["dataset"], "cue-conflict"})]


def table2(predictions: pd.DataFrame, paper: pd.DataFrame, wanted: pd.DataFrame | None = None) -> pd.DataFrame:
    """COLUMNS, one row a (data set, model) whose predictions have CUES; then n = 0 for what is wanted but not there.

    shape_accuracy: share of all images predicted as their shape's class (Wilson 95 %); shape_bias: shape decisions
    among shape or texture decisions. They are different numbers. paper: model, shape_accuracy in percent.
    wanted: model, dataset of every result on a data set with such images. A model of the paper that was not run is not listed.
    """
    keys = ["model", "dataset"]
    has = predictions.reindex(columns=[*predictions.columns.union(CUES)]).dropna(subset=list(CUES))
    has = has.assign(correct=has["prediction"] == has["shape_label"]) if len(has) else has
    cells = summaries(has, keys).rename(columns={"accuracy": "shape_accuracy", "calls": "calls_per_image"})
    bias = [(*key, *_bias(group)) for key, group in has.groupby(keys, sort=False)]
    names = ["shape_bias", "bias_low", "bias_high", "bias_n"]
    cells = cells.merge(pd.DataFrame(bias, columns=[*keys, *names]), on=keys)
    cells = expected(keys, wanted, has).merge(cells, how="left", on=keys).fillna({"n": 0}).astype({"n": "int64"})
    reported = paper.set_index("model")["shape_accuracy"] / 100
    cells["paper"] = cells["model"].map(reported)
    agree = [
        agrees(a, n, p, PAPER_IMAGES) for a, n, p in cells[["shape_accuracy", "n", "paper"]].itertuples(index=False)
    ]
    return cells.assign(agrees=pd.array(agree, dtype="boolean"))[list(COLUMNS)]


def layout2(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> Layout:
    """What `table2` returned, to be read, and the paper's other models below."""
    header = [
        "Model",
        "Data set",
        "Shape accuracy (%)",
        "n",
        "Shape bias (%)",
        "n of bias",
        "Calls per image",
        "Paper (%)",
        "Agrees",
    ]
    rows = []
    for _, cell in table.iterrows():
        bias = with_interval(cell["shape_bias"], cell["bias_low"], cell["bias_high"], cell["bias_n"] > 0)
        rows.append([
            cell["model"], cell["dataset"], with_interval(cell["shape_accuracy"], cell["low"], cell["high"], cell["n"]),
            str(cell["n"]), bias, number(cell["bias_n"], 0), number(cell["calls_per_image"], 1), percent(cell["paper"]),
            agreement(cell["agrees"]),
        ])  # fmt: skip
    for _, other in paper[~paper["model"].isin(table["model"])].iterrows():
        remark = f" (reported; {other['note']})" if isinstance(other["note"], str) else " (reported)"
        rows.append(
            [
                f"{other['model']}{remark}",
                "cue-conflict",
                MISSING,
                "0",
                MISSING,
                "",
                "",
                f"{other['shape_accuracy']:.1f}",
                "",
            ]
        )
    note = (
        f"{INTERVAL_NOTE} images. Shape accuracy: share of all images predicted as the class of their shape, the paper's number. "
        "Shape bias: shape decisions among decisions for shape or texture, where the two differ; not the same thing."
    )
    absent = [f"{c['model']} on {c['dataset']}" for _, c in table[table["n"] == 0].iterrows()]
    none = ["No data set of this run has both a shape and a texture label; add cue-conflict images to `datasets`."]
    return Layout(
        "Table 2: shape or texture", header, rows, [note, *([] if len(table) else none), *missing_note(absent), *notes]
    )
