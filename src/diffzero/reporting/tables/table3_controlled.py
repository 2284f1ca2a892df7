"""The controlled comparison: models trained on the same images and captions, on seen and held-out combinations apart."""

from collections.abc import Sequence

import pandas as pd

from diffzero.analysis.statistics import clustered_wilson, holm, sign_flip_pvalue
from diffzero.binding.tasks import TASKS
from diffzero.reporting.table_format import MISSING, Layout, pvalue, with_interval

KINDS = ("recognition", "pair", "binding")
SPLITS = {"seen": False, "held-out": True}
COLUMNS = ("kind", "split", "model", "accuracy", "low", "high", "n", "images", "pvalue", "pvalue_holm")


def controlled(predictions: pd.DataFrame, wanted: pd.DataFrame | None = None) -> pd.DataFrame:
    """COLUMNS, one row a (kind of task, split, model), n = 0 where nothing was run.

    accuracy over all decisions of the kind, its Wilson 95 % interval at as many decisions as their images are worth, and
    a sign-flip test over images against one half: many decisions share an image, so they are no independent trials. n counts
    decisions; their seeds are averaged first. pvalue_holm: over all rows.
    """
    kinds = {task.name: task.kind for task in TASKS}
    found = predictions.assign(kind=predictions["task"].map(kinds))
    models = dict.fromkeys([*([] if wanted is None else wanted["model"]), *predictions["model"]])
    rows = []
    for kind in KINDS:
        for split, held_out in SPLITS.items():
            for model in models:
                here = found[(found["model"] == model) & (found["kind"] == kind)]
                mine = here[here["held_out"].astype(bool) == held_out] if len(here) else here
                items = mine.groupby("item").agg(correct=("correct", "mean"), image=("image", "first"))
                right, image = items["correct"].astype(float), items["image"]
                p = sign_flip_pvalue(right - 0.5, image) if len(items) else float("nan")
                rows.append((kind, split, model, *clustered_wilson(right, image), len(items), image.nunique(), p))
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return table.assign(pvalue_holm=holm(table["pvalue"].to_numpy()))


def layout_controlled(table: pd.DataFrame, notes: Sequence[str] = ()) -> Layout:
    """What `controlled` returned, to be read."""
    header = ["Tasks", "Combinations", "Model", "Accuracy (%)", "Decisions", "Images", "p", "Holm p"]
    rows = []
    for _, cell in table.iterrows():
        text = with_interval(cell["accuracy"], cell["low"], cell["high"], cell["n"])
        sure = f"**{text}**" if cell["pvalue_holm"] < 0.01 else text
        tested = [pvalue(cell["pvalue"]), pvalue(cell["pvalue_holm"])] if cell["n"] else [MISSING, MISSING]
        rows.append([cell["kind"], cell["split"], cell["model"], sure, str(cell["n"]), str(cell["images"]), *tested])
    note = (
        "Accuracy in % with its Wilson 95 % interval, widened for decisions that share an image; chance is 50 %. p: sign-flip "
        "test over images against chance; **bold**: p < 0.01 after Holm's correction over the table. Held-out: an object of the "
        "scene shows a combination of shape and colour that no training image and no caption had. Binding tasks on held-out "
        "combinations ask whether a model composes."
    )
    return Layout("Controlled comparison: seen and held-out combinations", header, rows, [note, *notes])
