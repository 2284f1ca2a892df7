"""The controlled comparison: models trained on the same images and captions, on seen and held-out combinations separately."""

from collections.abc import Sequence

import pandas as pd

from diffzero.analysis.statistics import clustered_wilson_interval, holm_adjust, sign_flip_pvalue
from diffzero.binding.tasks import TASKS
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import NO_VALUE, Layout, TableResult, format_interval, format_pvalue
from diffzero.reporting.tables.base import list_requested
from diffzero.reporting.tables.notes import BINDING_NOTE
from diffzero.reporting.tables.table3_binding import SIGNIFICANCE_LEVEL

KINDS = ("recognition", "pair", "binding")
HELD_OUT_BY_SPLIT = {"seen": False, "held-out": True}
COLUMNS = ("kind", "split", "model", "accuracy", "low", "high", "n", "images", "pvalue", "pvalue_holm")


def build_controlled(predictions: pd.DataFrame, requested: pd.DataFrame | None = None) -> pd.DataFrame:
    """Build the table of the controlled comparison.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet with task and held_out, and model.
    requested
        Column model of every result that the run requests.

    Returns
    -------
    One row per (kind of task, split, model). Columns:

    - kind, split, model (str).
    - accuracy, low, high (float64): over all decisions of the kind, with Wilson's 95 % interval at the effective number of
      decisions: many decisions share an image, so they are not independent trials.
    - n, images (int64): decisions (their seeds are averaged first) and images; 0 without results.
    - pvalue (float64): sign-flip test over images against one half.
    - pvalue_holm (float64): after Holm's correction over all rows.
    """
    kinds = {task.name: task.kind for task in TASKS}
    predictions = predictions.assign(kind=predictions["task"].map(kinds))
    models = list_requested(["model"], requested, predictions)["model"]
    rows = []
    for kind in KINDS:
        for split, held_out in HELD_OUT_BY_SPLIT.items():
            for model in models:
                group = predictions[(predictions["model"] == model) & (predictions["kind"] == kind)]
                group = group[group["held_out"].astype(bool) == held_out] if len(group) else group
                rows.append((kind, split, model, *_summarise_group(group)))
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return table.assign(pvalue_holm=holm_adjust(table["pvalue"].to_numpy()))


def _summarise_group(group: pd.DataFrame) -> tuple[float, float, float, int, int, float]:
    """Return accuracy, low, high, n, images and p-value of some predictions."""
    items = group.groupby("item").agg(correct=("correct", "mean"), image=("image", "first"))
    correct, image = items["correct"].astype(float), items["image"]
    p = sign_flip_pvalue(correct - 0.5, image) if len(items) else float("nan")
    return *clustered_wilson_interval(correct, image), len(items), image.nunique(), p


def format_controlled(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_controlled`."""
    header = ["Tasks", "Combinations", "Model", "Accuracy (%)", "Decisions", "Images", "p", "Holm p"]
    rows = []
    for _, cell in table.iterrows():
        text = format_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
        text = f"**{text}**" if cell["pvalue_holm"] < SIGNIFICANCE_LEVEL else text
        pvalues = [format_pvalue(cell["pvalue"]), format_pvalue(cell["pvalue_holm"])] if cell["n"] else [NO_VALUE] * 2
        rows.append([cell["kind"], cell["split"], cell["model"], text, str(cell["n"]), str(cell["images"]), *pvalues])
    note = (
        "Accuracy in % with its Wilson 95 % interval, widened for decisions that share an image; chance is 50 %. p: sign-flip "
        "test over images against chance; **bold**: p < 0.01 after Holm's correction over the table. Held-out: an object of the "
        "scene shows a combination of shape and colour that no training image and no caption had. Binding tasks on held-out "
        "combinations test whether a model composes."
    )
    return [Layout("Controlled comparison: seen and held-out combinations", header, rows, [note, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format the controlled comparison of a run."""
    table = build_controlled(inputs.load_predictions("binding"), inputs.list_requested("binding"))
    return TableResult(table, format_controlled(table, [*inputs.missing_notes("binding"), BINDING_NOTE]))
