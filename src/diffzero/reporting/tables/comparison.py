"""Two models on the same images, two confidences, and what everything cost."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from diffzero.analysis.statistics import bootstrap_interval, holm, mcnemar, sign_flip_pvalue
from diffzero.reporting.table_format import MISSING, Layout, number, percent, pvalue

PAIR_COLUMNS = (
    "dataset", "first", "second", "n", "both", "only_first", "only_second", "neither", "difference", "low", "high",
    "pvalue", "pvalue_holm",
)  # fmt: skip


def paired(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """PAIR_COLUMNS, one row a data set and pair of models, on the items that both have, at one seed: the run's first.

    difference: accuracy of first minus second in [-1, 1], bootstrap 95 % over images; pvalue: McNemar's exact test, or
    where several items share an image (the binding tasks) an exact sign-flip test over images; pvalue_holm: over all rows.
    """
    rows = []
    for dataset, group in predictions[predictions["seed"] == seed].groupby("dataset", sort=False):
        outcomes = {
            model: mine.set_index("item")["correct"].astype(bool) for model, mine in group.groupby("model", sort=False)
        }
        image = group.drop_duplicates("item").set_index("item")["image"]
        for first, second in combinations(outcomes, 2):
            both = pd.concat([outcomes[first], outcomes[second]], axis=1, join="inner")
            a, b = both.to_numpy().T
            clusters = image[both.index].to_numpy()
            gap = a.astype(float) - b.astype(float)
            p = mcnemar(a, b) if len(set(clusters)) == len(clusters) else sign_flip_pvalue(gap, clusters)
            counts = [int(x.sum()) for x in (a & b, a & ~b, ~a & b, ~a & ~b)]
            rows.append((dataset, first, second, len(both), *counts, *bootstrap_interval(gap, clusters), p))
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS[:-1]))
    return table.assign(pvalue_holm=holm(table["pvalue"].to_numpy()))


def signed(value: float) -> str:
    """A difference in points with its sign, a true minus sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def layout_paired(table: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `paired` returned, to be read."""
    header = ["Data set", "First", "Second", "First − second (points)", "n", "Both right", "Only first", "Only second", "Neither",
              "p", "Holm p"]  # fmt: skip
    rows = [
        [c["dataset"], c["first"], c["second"], f"{signed(c['difference'])} [{signed(c['low'])}, {signed(c['high'])}]", str(c["n"]),
         *(str(c[name]) for name in ("both", "only_first", "only_second", "neither")), pvalue(c["pvalue"]), pvalue(c["pvalue_holm"])]
        for _, c in table.iterrows()
    ]  # fmt: skip
    note = (
        "Two models on the same items (first seed). Difference with its bootstrap 95 % interval over images; p: McNemar's exact two-sided "
        "test, which looks at the items on which they disagree; of the binding tasks, where several items share an image, an exact "
        "sign-flip test over images; Holm p: corrected over all rows of this table. With a handful of images the bootstrap "
        "interval is too narrow (none at all where the models never disagree): trust p then."
    )
    return Layout("Paired comparison", header, rows, [note, *absent])


def layout_calibration(table: pd.DataFrame, paper: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """ECE of both confidences, to be read. table: model, dataset, confidence, ece, n, fitted, accuracy, calls."""
    header = [
        "Confidence",
        "Model",
        "Data set",
        "ECE",
        "Accuracy (%)",
        "n",
        "Fitted on",
        "Calls per image",
        "Paper's ECE",
    ]
    rows = [
        [c["confidence"], c["model"], c["dataset"], number(c["ece"], 3), percent(c["accuracy"]), str(c["n"]), str(c["fitted"]),
         number(c["calls"], 1), ""]
        for _, c in table.iterrows()
    ]  # fmt: skip
    for _, row in paper[paper["quantity"] == "ECE"].iterrows():
        rows.append(
            [
                row["setting"],
                f"{row['model']} (reported)",
                row["dataset"],
                MISSING,
                "",
                "0",
                "",
                "",
                f"{row['value']:.2f}",
            ]
        )
    note = (
        "Expected calibration error in 10 bins of equal width, on the images not used for the fit. No interval: ECE is biased upwards on "
        "few images (about 0.1 for 50), so compare two confidences on the same images, not with the paper's number."
    )
    none = [] if len(table) else ["No unpruned scores in this run: name a model and a data set under `full_scoring`."]
    return Layout("Figure 5 in numbers: calibration", header, rows, [note, *none, *absent])


def cost_table(costs: pd.DataFrame) -> pd.DataFrame:
    """Of every scoring of the run: model, dataset, calls, seconds, gpu_hours (sums), calls_per_second, devices, dtypes, batch_sizes
    (every one that occurs), calls_at_once (the least), peak_memory_mb, peak_gpu_memory_mb (the most of one job).
    """
    keys = ["model", "dataset"]
    groups = costs.groupby(keys, sort=False)
    table = groups[["calls", "seconds", "gpu_hours"]].sum(min_count=1)
    table["calls_per_second"] = table["calls"] / table["seconds"]
    for name in ("device", "dtype", "batch_size"):
        table[f"{name}s"] = groups[name].agg(lambda values: ", ".join(map(str, sorted(set(values)))))
    table["calls_at_once"] = groups["calls_at_once"].min()
    table = table.join(groups[["peak_memory_mb", "peak_gpu_memory_mb"]].max())
    return table.reset_index()


def _cost_row(c: Mapping[str, Any]) -> list[str]:
    spent = [number(c["calls"], 0), number(c["seconds"], 0), number(c["gpu_hours"], 2)]
    sizes = c["batch_sizes"]
    if sizes and c["calls_at_once"] < min(map(int, sizes.split(", "))):
        sizes += f" ({c['calls_at_once']} at once)"
    memory = [number(c["peak_memory_mb"], 0), number(c["peak_gpu_memory_mb"], 0)]
    return [
        c["model"],
        c["dataset"],
        *spent,
        number(c["calls_per_second"], 0),
        c["devices"],
        c["dtypes"],
        sizes,
        *memory,
    ]


def layout_cost(table: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `cost_table` returned, to be read, and the sum (of memory, the most) of all."""
    header = [
        "Model", "Data set", "Calls", "Seconds", "GPU hours", "Calls per second", "Device", "Precision", "Batch size",
        "Peak memory (MB)", "Peak GPU memory (MB)",
    ]  # fmt: skip
    rows = [_cost_row(c) for _, c in table.iterrows()]
    if len(table):
        total = table[["calls", "seconds", "gpu_hours"]].sum(min_count=1).to_dict()
        total["calls_per_second"] = total["calls"] / total["seconds"]
        total |= table[["peak_memory_mb", "peak_gpu_memory_mb"]].max().to_dict()
        rows.append(_cost_row({**dict.fromkeys(table.columns, ""), "model": "**all**", **total}))
    note = (
        "Summed from the cost files beside the score shards: calls and the network's seconds of every score in them, whenever it was "
        "taken. A score that several scorings share (the same model, prompt, image and draw) is counted in each. GPU hours: the same "
        "seconds where the device was a GPU; empty on a CPU. Peak memory: the most of any one job, with what it read from the store. "
        "`at once`: batches did not fit in memory and were evaluated in pieces."
    )
    return Layout("Cost of the scores", header, rows, [note, *absent])
