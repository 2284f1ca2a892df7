"""Section 4.1 (reduced images), the prompt study, and Appendix C (how much an accuracy varies)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from diffzero.analysis.statistics import bootstrap_interval, mcnemar, spread
from diffzero.reporting.table_format import MISSING, Layout, agreement, missing_note, number, percent, with_interval
from diffzero.reporting.tables.base import INTERVAL_NOTE, agrees, paper_examples, summaries

VARIANT_COLUMNS = (
    "study", "model", "dataset", "setting", "accuracy", "low", "high", "n", "calls_per_image", "calls", "difference",
    "difference_low", "difference_high", "pvalue", "paper", "agrees",
)  # fmt: skip
SPREAD_COLUMNS = (
    "model",
    "dataset",
    "seeds",
    "n",
    "accuracy",
    "low",
    "high",
    "calls",
    "sd_seeds",
    "noise",
    "sampling",
    "subsets",
    "paper",
)
WANTED_COLUMNS = ["study", "model", "dataset", "setting", "variant"]
PAPER_TEMPLATES = "within 1.5 points of each other"


def _per_item(predictions: pd.DataFrame) -> pd.Series:
    return predictions.groupby("item")["correct"].mean()


def variants(
    predictions: pd.DataFrame, wanted: pd.DataFrame, paper: pd.DataFrame, sizes: Mapping[str, int | None] | None = None
) -> pd.DataFrame:
    """VARIANT_COLUMNS, one row a setting of `wanted` (study, model, dataset, setting, variant), n = 0 where it was not run.

    predictions: the plain data sets' and the variants', a variant's `dataset` being its name. difference: to the plain
    data set on the same images and the same noise: at the variant's seeds, bootstrap 95 %; pvalue: McNemar's exact test
    at the first of them. paper: the ablations' file. sizes: as `paper_examples` wants them.
    """
    keys = ["model", "dataset"]
    cells = summaries(predictions, keys).set_index(keys)
    outcomes = dict(iter(predictions.groupby(keys)))
    reported = paper[paper["quantity"] == "accuracy"].set_index(["model", "dataset", "setting"])["value"] / 100
    rows = []
    for entry in wanted.itertuples():
        mine, plain = outcomes.get((entry.model, entry.variant)), outcomes.get((entry.model, entry.dataset))
        value = float(reported.get((entry.model, entry.dataset, entry.setting), np.nan))
        head = (entry.study, entry.model, entry.dataset, entry.setting)
        if mine is None:
            rows.append((*head, *[np.nan] * 3, 0, *[np.nan] * 6, value, pd.NA))
            continue
        cell = cells.loc[entry.model, entry.variant]
        known = plain is not None and entry.variant != entry.dataset
        compared = _compared(mine, plain) if known else (np.nan,) * 4
        n, calls = int(cell["n"]), mine["calls"].sum(min_count=1)
        agree = agrees(cell["accuracy"], n, value, paper_examples(entry.dataset, sizes))
        rows.append(
            (*head, cell["accuracy"], cell["low"], cell["high"], n, cell["calls"], calls, *compared, value, agree)
        )
    return pd.DataFrame(rows, columns=list(VARIANT_COLUMNS)).astype({"agrees": "boolean"})


def _compared(variant: pd.DataFrame, plain: pd.DataFrame) -> tuple[float, float, float, float]:
    """(difference, low, high, p) of a variant and its plain data set at the variant's seeds: another seed is other noise."""
    plain = plain[plain["seed"].isin(set(variant["seed"]))]
    if plain.empty:
        return (np.nan,) * 4
    both = pd.concat([_per_item(variant), _per_item(plain)], axis=1, join="inner").to_numpy()
    first = [frame[frame["seed"] == variant["seed"].iloc[0]].set_index("item")["correct"] for frame in (variant, plain)]
    aligned = pd.concat(first, axis=1, join="inner").to_numpy()
    return *bootstrap_interval(both[:, 0] - both[:, 1]), mcnemar(aligned[:, 0], aligned[:, 1])


def layouts_variants(table: pd.DataFrame, paper: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """What `ablations` returned, to be read: Section 4.1 and the prompt study."""
    header = ["Model", "Data set", "Setting", "Accuracy (%)", "n", "Calls per image", "Difference (points)", "McNemar p",
              "Paper (%)", "Agrees"]  # fmt: skip
    titles = {"reduced": "Section 4.1: images reduced first", "template": "Prompt study: other templates"}
    layouts = []
    for study, title in titles.items():
        mine = table[table["study"] == study]
        rows = [_variant_row(cell) for _, cell in mine.iterrows()]
        known = set(zip(mine["model"], mine["dataset"], mine["setting"], strict=True))
        if study == "reduced":
            rows += [
                [row["model"], row["dataset"], row["setting"], MISSING, "0", MISSING, "", "", f"{row['value']:.1f}", ""]
                for _, row in paper[paper["where"] == "section 4.1"].iterrows()
                if (row["model"], row["dataset"], row["setting"]) not in known
            ]
        note = (
            f"{INTERVAL_NOTE} images. Difference: to the plain data set on the same images and the same noise, bootstrap 95 % interval; "
            "p: McNemar's exact test."
        )
        said = (
            [] if study == "reduced" else [f"The paper (Imagen and SD on CIFAR-100): four templates {PAPER_TEMPLATES}."]
        )
        none = [] if len(mine) else [f"This run asks for none: name them under `ablations`, with `{study}`."]
        absent = missing_note(
            f"{c['model']} on {c['dataset']}, {c['setting']}" for _, c in mine[mine["n"] == 0].iterrows()
        )
        layouts.append(Layout(title, header, rows, [note, *said, *none, *absent, *(notes if absent else ())]))
    return layouts


def _variant_row(cell: pd.Series) -> list[str]:
    accuracy = with_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
    difference = ""
    if not pd.isna(cell["difference"]):
        parts = [percent(cell[name]).replace("-", "−") for name in ("difference", "difference_low", "difference_high")]
        difference = f"{parts[0]} [{parts[1]}, {parts[2]}]"
    return [cell["model"], cell["dataset"], cell["setting"], accuracy, str(cell["n"]), number(cell["calls_per_image"], 1),
            difference, number(cell["pvalue"], 4), percent(cell["paper"]), agreement(cell["agrees"])]  # fmt: skip


def spreads(predictions: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """SPREAD_COLUMNS, one row a (model, data set), standard deviations as shares; nan where one seed cannot tell (Appendix C).

    calls: of all seeds; nan for a baseline.
    """
    reported = paper[paper["where"] == "appendix C"].set_index("model")["value"] / 100
    rows = []
    cells = summaries(predictions, ["model", "dataset"])
    for cell in cells.itertuples():
        mine = predictions[(predictions["model"] == cell.model) & (predictions["dataset"] == cell.dataset)]
        matrix = mine.pivot(index="item", columns="seed", values="correct").dropna().astype(float)
        found = spread(matrix.to_numpy())
        paper_sd = float(reported.get(cell.model.split("@")[0], np.nan))
        value = (cell.accuracy, cell.low, cell.high, mine["calls"].sum(min_count=1))
        parts = (found.seeds, found.noise, found.sampling, found.subsets)
        rows.append((cell.model, cell.dataset, matrix.shape[1], cell.n, *value, *parts, paper_sd))
    return pd.DataFrame(rows, columns=list(SPREAD_COLUMNS))


def layout_spread(table: pd.DataFrame, absent: Sequence[str]) -> Layout:
    """What `spreads` returned, to be read, in points."""
    header = [
        "Model",
        "Data set",
        "Accuracy (%)",
        "n",
        "Seeds",
        "Calls",
        "SD over seeds",
        "Noise part",
        "Sampling part",
        "SD over subsets",
        "Paper",
    ]
    rows = [
        [c["model"], c["dataset"], with_interval(c["accuracy"], c["low"], c["high"], c["n"]), str(c["n"]), str(c["seeds"]),
         number(c["calls"], 0) or "none",
         *(number(c[name], 2, 100) or MISSING for name in ("sd_seeds", "noise", "sampling", "subsets")), number(c["paper"], 1, 100)]
        for _, c in table.iterrows()
    ]  # fmt: skip
    note = (
        "Standard deviations of the accuracy in points, for n images; calls are those of all seeds. Noise part: what redrawing the "
        "noise would change on the same images; sampling part: what other images would change; both from the variance within and "
        "between images over seeds. SD over subsets: from four random parts of the images, scaled to n, both parts together: the "
        "paper's random splits, and rough, since "
        f"four parts give a standard deviation to about 40 %. {MISSING}: needs a second seed (`seeds: [0, 1]`); a baseline has no noise."
    )
    return Layout("Appendix C: spread over seeds and subsets", header, rows, [note, *absent])
