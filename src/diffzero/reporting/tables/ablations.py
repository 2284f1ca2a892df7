"""Ablations: downsampled images (Section 4.1) and other prompt templates."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.rows import iter_rows
from diffzero.analysis.statistics import bootstrap_interval, mcnemar_pvalue
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
    TestSizes,
    count_paper_images,
    differs_from_paper,
    summarise_cells,
)

ABLATION_COLUMNS = ("study", "model", "dataset", "setting", "scored_dataset")
COLUMNS = (
    "study", "model", "dataset", "setting", "accuracy", "low", "high", "n", "calls_per_image", "calls", "difference",
    "difference_low", "difference_high", "pvalue", "paper", "differs_from_paper",
)  # fmt: skip
HEADER = (
    "Model", "Data set", "Setting", "Accuracy (%)", "n", "Calls per image", "Difference (points)", "McNemar p", "Paper (%)",
    "Differs from paper",
)  # fmt: skip
TITLES = {"downsampled": "Section 4.1: downsampled images", "template": "Prompt study: other templates"}
TEMPLATE_NOTE = "The paper (Imagen and SD on CIFAR-100): four templates within 1.5 points of each other."


def build_ablations(
    predictions: pd.DataFrame, requested: pd.DataFrame, paper: pd.DataFrame, test_sizes: TestSizes | None = None
) -> pd.DataFrame:
    """Build the table of ablations.

    Parameters
    ----------
    predictions
        Those of the plain data sets and of the ablations, each with the name of its own data set.
    requested
        ABLATION_COLUMNS (str): one row per setting.
    paper
        The numbers that the paper reports on ablations.

    Returns
    -------
    One row per row of `requested`. Columns:

    - study, model, dataset, setting (str): as requested.
    - accuracy, low, high (float64), n (int64, 0 without results): as in Table 1.
    - calls_per_image, calls (float64): the second of all seeds.
    - difference, difference_low, difference_high (float64): to the plain data set on the same images, noise and seeds, with its
      bootstrap 95 % interval.
    - pvalue (float64): McNemar's exact test at the first of these seeds.
    - paper (float64), differs_from_paper (boolean): as in Table 1.
    """
    keys = ["model", "dataset"]
    cells = summarise_cells(predictions, keys).set_index(keys)
    outcomes = dict(iter(predictions.groupby(keys)))
    reported = paper[paper["quantity"] == "accuracy"].set_index(["model", "dataset", "setting"])["value"] / 100
    rows = []
    for entry in iter_rows(requested):
        changed, plain = outcomes.get((entry.model, entry.scored_dataset)), outcomes.get((entry.model, entry.dataset))
        value = float(reported.get((entry.model, entry.dataset, entry.setting), np.nan))
        name = (entry.study, entry.model, entry.dataset, entry.setting)
        if changed is None:
            rows.append((*name, *[np.nan] * 3, 0, *[np.nan] * 6, value, pd.NA))
            continue
        cell = cells.loc[entry.model, entry.scored_dataset]
        is_plain = entry.scored_dataset == entry.dataset
        difference = (np.nan,) * 4 if is_plain or plain is None else _compare(changed, plain)
        n, calls = int(cell["n"]), changed["calls"].sum(min_count=1)
        differs = differs_from_paper(cell["accuracy"], n, value, count_paper_images(entry.dataset, test_sizes))
        result = (cell["accuracy"], cell["low"], cell["high"], n, cell["calls"], calls)
        rows.append((*name, *result, *difference, value, differs))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"differs_from_paper": "boolean"})


def _compare(changed: pd.DataFrame, plain: pd.DataFrame) -> tuple[float, float, float, float]:
    """Return (difference, low, high, p) of an ablation and its plain data set at the ablation's seeds: another seed is other noise."""
    plain = plain[plain["seed"].isin(set(changed["seed"]))]
    if plain.empty:
        return (np.nan,) * 4
    means = [frame.groupby("item")["correct"].mean() for frame in (changed, plain)]
    both = pd.concat(means, axis=1, join="inner").to_numpy()
    first = [frame[frame["seed"] == changed["seed"].iloc[0]].set_index("item")["correct"] for frame in (changed, plain)]
    aligned = pd.concat(first, axis=1, join="inner").to_numpy()
    return *bootstrap_interval(both[:, 0] - both[:, 1]), mcnemar_pvalue(aligned[:, 0], aligned[:, 1])


def _format_row(cell: pd.Series) -> list[str]:
    difference = NO_VALUE
    if not pd.isna(cell["difference"]):
        names = ("difference", "difference_low", "difference_high")
        value, low, high = (format_percent(cell[name]).replace("-", "−") for name in names)
        difference = f"{value} [{low}, {high}]"
    return [
        cell["model"],
        cell["dataset"],
        cell["setting"],
        format_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"]),
        str(cell["n"]),
        format_number(cell["calls_per_image"], 1, absent=NOT_APPLICABLE if cell["n"] else NO_VALUE),
        difference,
        format_number(cell["pvalue"], 4, absent=NO_VALUE),
        format_percent(cell["paper"]),
        format_difference_flag(cell["differs_from_paper"]),
    ]


def _reported_rows(table: pd.DataFrame, paper: pd.DataFrame) -> list[list[str]]:
    """Return the paper's rows of Section 4.1 that this run does not have."""
    known = set(zip(table["model"], table["dataset"], table["setting"], strict=True))
    blank = [NO_VALUE, "0", *[NO_VALUE] * 3]
    return [
        [row["model"], row["dataset"], row["setting"], *blank, f"{row['value']:.1f}", NO_VALUE]
        for _, row in paper[paper["where"] == "section 4.1"].iterrows()
        if (row["model"], row["dataset"], row["setting"]) not in known
    ]


def format_ablations(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_ablations`: Section 4.1 and the prompt study."""
    layouts = []
    for study, title in TITLES.items():
        part = table[table["study"] == study]
        rows = [_format_row(cell) for _, cell in part.iterrows()]
        own = [
            f"{INTERVAL_NOTE} images. Difference: to the plain data set on the same images and the same noise, with its bootstrap 95 % "
            f"interval; p: McNemar's exact test. {DIFFERENCE_NOTE}"
        ]
        if study == "downsampled":
            rows += _reported_rows(part, paper)
        else:
            own.append(TEMPLATE_NOTE)
        if not len(part):
            key = "downsample_to" if study == "downsampled" else "prompt_template"
            own.append(f"This run requests none: add entries with `{key}` to `ablations`.")
        absent = part[part["n"] == 0]
        own += missing_note(f"{c['model']} on {c['dataset']}, {c['setting']}" for _, c in absent.iterrows())
        layouts.append(Layout(title, HEADER, rows, [*own, *(notes if len(absent) else ())]))
    return layouts


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the ablations of a run."""
    paper = inputs.load_reported("ablations")
    requested = pd.DataFrame(inputs.ablations, columns=list(ABLATION_COLUMNS))
    predictions = inputs.load_predictions("classification", "ablations")
    table = build_ablations(predictions, requested, paper, inputs.test_sizes)
    return TableResult(table, format_ablations(table, paper, inputs.missing_notes("ablations")))
