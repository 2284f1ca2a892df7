"""Paired comparison: every two models on the same images."""

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from diffzero.analysis.statistics import bootstrap_interval, holm_adjust, mcnemar_pvalue, sign_flip_pvalue
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import Layout, TableResult, format_points, format_pvalue

COUNTS = ("both_correct", "only_a", "only_b", "both_wrong")
COLUMNS = (
    "dataset", "model_a", "model_b", "n", *COUNTS, "difference", "low", "high", "pvalue", "pvalue_holm",
)  # fmt: skip
HEADER = (
    "Data set", "Model A", "Model B", "A − B (points)", "n", "Both correct", "Only A", "Only B", "Both wrong", "p", "Holm p",
)  # fmt: skip


def build_paired_comparison(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compare every two models of a data set on the items that both have, at one seed.

    Returns
    -------
    One row per data set and pair of models. Columns:

    - dataset, model_a, model_b (str).
    - n, both_correct, only_a, only_b, both_wrong (int64): items.
    - difference, low, high (float64): accuracy of model_a minus that of model_b, with its bootstrap 95 % interval over images.
    - pvalue (float64): McNemar's exact test; where several items share an image, as in the binding tasks, an exact sign-flip test over
      images.
    - pvalue_holm (float64): after Holm's correction over all rows.
    """
    rows = []
    for dataset, group in predictions[predictions["seed"] == seed].groupby("dataset", sort=False):
        outcomes = {
            model: part.set_index("item")["correct"].astype(bool) for model, part in group.groupby("model", sort=False)
        }
        image = group.drop_duplicates("item").set_index("item")["image"]
        for model_a, model_b in combinations(outcomes, 2):
            both = pd.concat([outcomes[model_a], outcomes[model_b]], axis=1, join="inner")
            a, b = both.to_numpy().T
            clusters = image[both.index].to_numpy()
            gap = a.astype(float) - b.astype(float)
            p = mcnemar_pvalue(a, b) if len(set(clusters)) == len(clusters) else sign_flip_pvalue(gap, clusters)
            counts = [int(x.sum()) for x in (a & b, a & ~b, ~a & b, ~a & ~b)]
            rows.append((dataset, model_a, model_b, len(both), *counts, *bootstrap_interval(gap, clusters), p))
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return table.assign(pvalue_holm=holm_adjust(table["pvalue"].to_numpy()))


def format_paired_comparison(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_paired_comparison`."""
    rows = [
        [c["dataset"], c["model_a"], c["model_b"],
         f"{format_points(c['difference'])} [{format_points(c['low'])}, {format_points(c['high'])}]", str(c["n"]),
         *(str(c[name]) for name in COUNTS), format_pvalue(c["pvalue"]), format_pvalue(c["pvalue_holm"])]
        for _, c in table.iterrows()
    ]  # fmt: skip
    note = (
        "Two models on the same items (first seed). Difference with its bootstrap 95 % interval over images. p: McNemar's exact two-sided "
        "test, which uses the items on which the models disagree; for the binding tasks, where several items share an image, an exact "
        "sign-flip test over images. Holm p: corrected over all rows of this table. With few images the bootstrap "
        "interval is too narrow (its width is 0 where the models never disagree): rely on p instead."
    )
    return [Layout("Paired comparison", HEADER, rows, [note, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the paired comparison of a run, at its first seed."""
    groups = ("classification", "binding", "lewis")
    table = build_paired_comparison(inputs.load_predictions(*groups), inputs.seed)
    return TableResult(table, format_paired_comparison(table, inputs.missing_notes(*groups)))
