"""Table 3 on Lewis et al.'s own images: the tasks that their labels allow, never in one number with the rendered scenes."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from diffzero.binding.lewis import UNKNOWN_ATTRIBUTES
from diffzero.binding.tasks import TASKS, tasks_without
from diffzero.reporting.table_format import Layout
from diffzero.reporting.tables.table3_binding import layouts3, table3


def table3_lewis(predictions: pd.DataFrame, paper: pd.DataFrame, wanted: pd.DataFrame | None = None) -> pd.DataFrame:
    """What `table3` returns of predictions on these images: the tasks that can be asked, split "all" alone.

    The other splits tell what the mini models saw of rendered scenes. Raises ValueError as `table3` does.
    """
    asked = [task.name for task in tasks_without(UNKNOWN_ATTRIBUTES)]
    table = table3(predictions, paper[paper["task"].isin(asked)], wanted)
    return table[table["split"] == "all"].reset_index(drop=True)


def layout_lewis(table: pd.DataFrame, notes: Sequence[str] = ()) -> Layout:
    """What `table3_lewis` returned, to be read. `notes` follow."""
    left_out = len(TASKS) - len(tasks_without(UNKNOWN_ATTRIBUTES))
    note = (
        "The images are those of Lewis et al. (2022), after which the paper's were made. Their labels name shape and colour, so that the "
        f"{left_out} tasks with size or position cannot be asked; each other task takes all images that it can use. The mini models "
        "were trained on no image of their renderer: one that fails here may fail at the pictures and not at binding."
    )
    whole = layouts3(table)[0]
    return replace(whole, title="Table 3 on Lewis et al.'s images", notes=[*whole.notes, note, *notes])
