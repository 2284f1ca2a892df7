"""Table 3 on Lewis et al.'s images: the tasks that their labels support, not pooled with the rendered scenes."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from diffzero.binding.lewis import UNKNOWN_ATTRIBUTES
from diffzero.binding.tasks import TASKS, tasks_without
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import Layout, TableResult
from diffzero.reporting.tables.table3_binding import build_table3, format_table3


def build_table3_lewis(
    predictions: pd.DataFrame, paper: pd.DataFrame, requested: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Build Table 3 on these images: parameters, columns and errors as in `build_table3`.

    Only the tasks that the labels support are listed, and only the split "all": the other splits depend on the training images of
    the mini models, which are rendered scenes.
    """
    supported = [task.name for task in tasks_without(UNKNOWN_ATTRIBUTES)]
    table = build_table3(predictions, paper[paper["task"].isin(supported)], requested)
    return table[table["split"] == "all"].reset_index(drop=True)


def format_table3_lewis(table: pd.DataFrame, notes: Sequence[str] = ()) -> list[Layout]:
    """Format the result of `build_table3_lewis`."""
    left_out = len(TASKS) - len(tasks_without(UNKNOWN_ATTRIBUTES))
    note = (
        "The images are those of Lewis et al. (2022), on which the paper's images are modelled. Their labels name shape and colour, so "
        f"the {left_out} tasks with size or position are left out; each other task uses all images with suitable labels. The mini "
        "models were not trained on images of this renderer: a model that fails here may fail to recognise the objects, not to bind them."
    )
    whole = format_table3(table)[0]
    return [replace(whole, title="Table 3 on Lewis et al.'s images", notes=[*whole.notes, note, *notes])]


def make_table(inputs: ReportInputs) -> TableResult:
    """Build and format Table 3 of a run on Lewis et al.'s images."""
    predictions, requested = inputs.load_predictions("lewis"), inputs.list_requested("lewis")
    table = build_table3_lewis(predictions, inputs.load_reported("table3"), requested)
    return TableResult(table, format_table3_lewis(table, inputs.missing_notes("lewis")))
