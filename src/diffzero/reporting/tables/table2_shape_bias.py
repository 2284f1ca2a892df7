"""Table 2: shape accuracy on cue-conflict images, shape bias beside it, both by category, and decisions for model-vs-human."""

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

import pandas as pd

from diffzero.analysis.statistics import wilson
from diffzero.reporting.table_format import MISSING, Layout, agreement, missing_note, number, percent, with_interval
from diffzero.reporting.tables.base import INTERVAL_NOTE, agrees, expected, share_of, summaries

CUES = ("shape_label", "texture_label")
PAPER_IMAGES = 1280
COLUMNS = (
    "model", "dataset", "shape_accuracy", "low", "high", "n", "conflict_accuracy", "conflict_n", "shape_bias", "bias_low",
    "bias_high", "bias_n", "calls_per_image", "paper", "agrees",
)  # fmt: skip


EXPORTED = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")


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


def _conflict(group: pd.DataFrame) -> tuple[float, int]:
    """Share of the images whose cues differ that are predicted as their shape's class, and how many there are."""
    images = group[group["shape_label"] != group["texture_label"]].groupby("item")["correct"].mean()
    return float(images.mean()), len(images)


def with_cues(predictions: pd.DataFrame, wanted: pd.DataFrame, named: Collection[str] = ()) -> pd.DataFrame:
    """The wanted results on data sets of which some prediction has CUES; and on those that are `named`."""
    has = _having_cues(predictions)
    return wanted[wanted["dataset"].isin({*has["dataset"], *named})]


def _having_cues(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions with CUES; correct: the class of the shape was predicted."""
    has = predictions.reindex(columns=[*predictions.columns, *(cue for cue in CUES if cue not in predictions)])
    has = has.dropna(subset=list(CUES))
    return has.assign(correct=has["prediction"] == has["shape_label"]) if len(has) else has


def table2(predictions: pd.DataFrame, paper: pd.DataFrame, wanted: pd.DataFrame | None = None) -> pd.DataFrame:
    """COLUMNS, one row a (data set, model) whose predictions have CUES; then n = 0 for what is wanted but not there.

    shape_accuracy: share of all images predicted as their shape's class (Wilson 95 %), conflict_accuracy: of those whose cues
    differ; shape_bias: shape decisions among shape or texture decisions. They are different numbers. paper: model,
    shape_accuracy in percent.
    wanted: model, dataset of every result on a data set with such images. A model of the paper that was not run is not listed.
    """
    keys = ["model", "dataset"]
    has = _having_cues(predictions)
    cells = summaries(has, keys).rename(columns={"accuracy": "shape_accuracy", "calls": "calls_per_image"})
    bias = [(*key, *_conflict(group), *_bias(group)) for key, group in has.groupby(keys, sort=False)]
    names = ["conflict_accuracy", "conflict_n", "shape_bias", "bias_low", "bias_high", "bias_n"]
    cells = cells.merge(pd.DataFrame(bias, columns=[*keys, *names]), on=keys)
    cells = expected(keys, wanted, has).merge(cells, how="left", on=keys)
    cells = cells.fillna({"n": 0, "conflict_n": 0}).astype({"n": "int64", "conflict_n": "int64"})
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
        "Of conflicts alone (%)",
        "Conflicts",
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
            str(cell["n"]), percent(cell["conflict_accuracy"]), str(cell["conflict_n"]),
            bias, number(cell["bias_n"], 0), number(cell["calls_per_image"], 1), percent(cell["paper"]), agreement(cell["agrees"]),
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
        "Conflicts: images whose shape and texture differ. "
        "Shape bias: shape decisions among decisions for shape or texture, where the two differ; not the same thing."
    )
    absent = [f"{c['model']} on {c['dataset']}" for _, c in table[table["n"] == 0].iterrows()]
    none = ["No data set of this run has both a shape and a texture label; add cue-conflict images to `datasets`."]
    return Layout(
        "Table 2: shape or texture", header, rows, [note, *([] if len(table) else none), *missing_note(absent), *notes]
    )


def by_category(predictions: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """One row a (model, category of the shape), the last `all`: accuracy, low, high, n of all images; then among the conflicts shape,
    texture and other decisions (images, seeds averaged), bias, bias_low, bias_high, bias_n.

    predictions: those of one data set, with CUES. names: its class names.
    """
    has, rows = _having_cues(predictions), []
    for model, mine in has.groupby("model", sort=False):
        parts = [
            (names[label], mine[mine["shape_label"] == label])
            for label in sorted(mine["shape_label"].unique().astype(int))
        ]
        for category, group in [*parts, ("all", mine)]:
            bias, bias_low, bias_high, both = _bias(group)
            accuracy, conflicts = _conflict(group)
            shape = accuracy * conflicts if conflicts else 0.0
            counts = (shape, both - shape, conflicts - both)
            rows.append((model, category, *share_of(group), *counts, bias, bias_low, bias_high, both))
    columns = ["accuracy", "low", "high", "n", "shape", "texture", "other", "bias", "bias_low", "bias_high", "bias_n"]
    return pd.DataFrame(rows, columns=["model", "category", *columns])


def model_vs_human(predictions: pd.DataFrame, names: Sequence[str], session: int) -> pd.DataFrame:
    """EXPORTED, one row an image, as the toolbox model-vs-human (Geirhos et al. 2021) reads the decisions of a subject.

    predictions: of one model on one data set under one seed, with the columns model, label and prediction. rt is NaN: a model has no
    reaction time; condition is 0: cue-conflict images have one.
    """
    rows = {
        "subj": predictions["model"],
        "session": session,
        "trial": range(1, len(predictions) + 1),
        "rt": "NaN",
        "object_response": [names[k] for k in predictions["prediction"]],
        "category": [names[k] for k in predictions["label"]],
        "condition": 0,
        "imagename": [PurePosixPath(image).name for image in predictions["image"]],
    }
    return pd.DataFrame(rows, columns=list(EXPORTED))
