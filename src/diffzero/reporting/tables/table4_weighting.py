"""Table 4, the transfer of learned weights, and Appendix F's combined models: all from unpruned scores."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis import learned_weighting
from diffzero.analysis.score_array import Matrices
from diffzero.analysis.statistics import wilson
from diffzero.reporting.table_format import MISSING, Layout, agreement, number, percent, with_interval
from diffzero.reporting.tables.base import INTERVAL_NOTE, agrees, paper_examples

LEARNED = "learned"
PAPER_DATASET = "caltech101"
Weight = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Data = Mapping[tuple[str, str], Matrices]  # by (model, data set)
NONE = "No unpruned scores in this run: name a model and a data set under `full_scoring`."


def _calls(matrices: Matrices) -> int:
    """Calls behind unpruned scores: every class at every draw of every image."""
    return matrices.scores.size


def _cell(right: NDArray[np.bool_]) -> tuple[float, float, float, int]:
    """accuracy, low, high (Wilson 95 %), n."""
    return float(right.mean()), *wilson(int(right.sum()), len(right)), len(right)


def table4(
    data: Data,
    weights: Mapping[tuple[str, str], Mapping[str, Weight]],
    paper: pd.DataFrame,
    sizes: Mapping[str, int | None] | None = None,
) -> pd.DataFrame:
    """weighting, model, dataset, accuracy, low, high, n, draws, calls, calls_per_image, paper, agrees.

    Every class has every draw, so that a weighting alone makes the difference. learned: cross-fitted (not zero-shot).
    `weights[model, dataset]` has the fixed weightings on the model's schedule. paper: Table 4, in percent; its
    numbers are for Caltech101 and are set beside ours on that data set alone. sizes: as `paper_examples` wants them.
    """
    rows = []
    for (model, dataset), matrices in data.items():
        draws, classes = matrices.scores.shape[1:]
        for name in weighting_order(weights[model, dataset], paper):
            fixed = weights[model, dataset].get(name)
            right = learned_weighting.learned_correct(matrices) if fixed is None else matrices.correct(fixed)
            reported = np.nan
            if dataset == PAPER_DATASET and model in paper:
                reported = float(paper.set_index("weighting")[model].get(name, np.nan)) / 100
            accuracy, low, high, n = _cell(right)
            cost = draws, _calls(matrices), draws * classes
            agree = agrees(accuracy, n, reported, paper_examples(dataset, sizes))
            rows.append((name, model, dataset, accuracy, low, high, n, *cost, reported, agree))
    columns = [
        "weighting",
        "model",
        "dataset",
        "accuracy",
        "low",
        "high",
        "n",
        "draws",
        "calls",
        "calls_per_image",
        "paper",
        "agrees",
    ]
    return pd.DataFrame(rows, columns=columns).astype({"agrees": "boolean"})


def weighting_order(fixed: Mapping[str, Weight], paper: pd.DataFrame) -> list[str]:
    """Return the fixed and the learned weightings: those of the paper in its order, then the others."""
    position = {name: number for number, name in enumerate(paper["weighting"])}
    return sorted([*fixed, LEARNED], key=lambda name: position.get(name, len(position)))


def layout4(table: pd.DataFrame, paper: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `table4` returned, to be read; the paper's rows below where ours are of other data sets."""
    header = ["Weighting", "Model", "Data set", "Accuracy (%)", "n", "Calls per image", "Calls", "Paper (%)", "Agrees"]
    rows = [
        [c["weighting"], c["model"], c["dataset"], with_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
         number(c["calls_per_image"], 0), number(c["calls"], 0), percent(c["paper"]), agreement(c["agrees"])]
        for _, c in table.iterrows()
    ]  # fmt: skip
    shown = set(table.loc[table["dataset"] == PAPER_DATASET, "model"])
    rows += [
        [row["weighting"], f"{model} (reported)", PAPER_DATASET, MISSING, "0", MISSING, MISSING, f"{row[model]:.1f}", ""]
        for model in paper.columns.drop("weighting") if model not in shown
        for _, row in paper.iterrows()
    ]  # fmt: skip
    note = (
        f"{INTERVAL_NOTE} images, scored without pruning. learned: 20 weights fitted to the labels of the other half of the images, "
        "so not zero-shot; with few images it falls behind for want of labels, not of information."
    )
    return Layout("Table 4: weighting functions", header, rows, [note, *([] if len(table) else [NONE]), *absent])


def transfer(data: Data, heuristics: Mapping[tuple[str, str], Weight]) -> pd.DataFrame:
    """model, fitted_on, dataset, accuracy, low, high, n, calls: learned weights of one data set on another.

    The diagonal is cross-fitted; fitted_on "nothing" is the heuristic, which needs no labels. calls: those of the scores tested on,
    and of the scores fitted on where they are others.
    """
    rows = []
    for (model, target), matrices in data.items():
        right = matrices.correct(heuristics[model, target])
        rows.append((model, "nothing", target, *_cell(right), _calls(matrices)))
        for other, source in data:
            if other != model:
                continue
            calls = _calls(matrices)
            if source == target:
                right = learned_weighting.learned_correct(matrices)
            else:
                origin = data[model, source]
                right = matrices.correct(
                    learned_weighting.weight(
                        learned_weighting.fit(learned_weighting.bucket_errors(origin), origin.label)
                    )
                )
                calls += _calls(origin)
            rows.append((model, source, target, *_cell(right), calls))
    return pd.DataFrame(rows, columns=["model", "fitted_on", "dataset", "accuracy", "low", "high", "n", "calls"])


def layout_transfer(table: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `transfer` returned, to be read."""
    header = ["Model", "Weights fitted on", "Tested on", "Accuracy (%)", "n", "Calls"]
    rows = [[c["model"], c["fitted_on"], c["dataset"], with_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
             number(c["calls"], 0)] for _, c in table.iterrows()]  # fmt: skip
    note = (
        f"{INTERVAL_NOTE} images; calls are those of all scores behind the row. Fitted on the data set tested on: weights of the "
        "other half of its images. Fitted on nothing: the heuristic exp(-decay t). A row between data sets needs unpruned scores of both."
    )
    return Layout("Transfer of learned weights", header, rows, [note, *([] if len(table) else [NONE]), *absent])


def combined(data: Data, heuristics: Mapping[tuple[str, str], Weight]) -> pd.DataFrame:
    """dataset, models, weights, accuracy, low, high, n, calls: each model alone and every pair joined by 20 weights each (Appendix F)."""
    rows = []
    for dataset in dict.fromkeys(dataset for _, dataset in data):
        models = [model for model, other in data if other == dataset]
        for model in models:
            mine = data[model, dataset]
            rows.append((dataset, model, "heuristic", *_cell(mine.correct(heuristics[model, dataset])), _calls(mine)))
            rows.append(
                (dataset, model, "20 learned", *_cell(learned_weighting.combined_correct([mine])), _calls(mine))
            )
        for pair in combinations(models, 2):
            both = [data[model, dataset] for model in pair]
            if both[0].images == both[1].images:
                right = learned_weighting.combined_correct(both)
                rows.append((dataset, " + ".join(pair), "40 learned", *_cell(right), sum(map(_calls, both))))
    return pd.DataFrame(rows, columns=["dataset", "models", "weights", "accuracy", "low", "high", "n", "calls"])


def layout_combined(table: pd.DataFrame, paper: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `combined` returned, to be read, and the paper's number for the super-resolution stage alone."""
    header = ["Data set", "Models", "Weights", "Accuracy (%)", "n", "Calls", "Paper (%)"]
    rows = [[c["dataset"], c["models"], c["weights"], with_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]),
             number(c["calls"], 0), ""] for _, c in table.iterrows()]  # fmt: skip
    for _, row in paper[paper["where"] == "appendix F"].iterrows():
        name, blank = f"{row['model']} (reported; {row['setting']})", ["heuristic", MISSING, "0", MISSING]
        rows.append([row["dataset"], name, *blank, f"{row['value']:.1f}"])
    note = (
        f"{INTERVAL_NOTE} images. Learned weights are cross-fitted: no image is judged by weights that saw its label. "
        "The paper joins Imagen's base and super-resolution stages; here any two models with unpruned scores of the same images are joined."
    )
    return Layout(
        "Appendix F: models alone and combined", header, rows, [note, *([] if len(table) else [NONE]), *absent]
    )
