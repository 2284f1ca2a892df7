"""How binding fails, from decisions and scene metadata: which shapes are confused, and whether the larger object's attribute wins."""

from collections.abc import Mapping, Sequence

import pandas as pd

from diffzero.analysis.statistics import clustered_wilson
from diffzero.binding.scene_table import column_name
from diffzero.binding.scenes import POSITIONS
from diffzero.binding.tasks import ORDER, TASKS

BINDING = {task.name: task.attributes for task in TASKS if task.kind == "binding"}
SHAPE_COLUMNS = ["model", "true", "false", "accuracy", "low", "high", "n"]
LARGER_COLUMNS = ["model", "attribute", "share", "low", "high", "n"]
# Size in a sentence would name the larger object outright.
COMPARED = {"Color": "colour", "Shape": "shape"}


def _value(sentence: str, attribute: str) -> str:
    words = sentence.removesuffix(".").split()
    return next(value for value in ORDER[attribute] if value in words)


def decisions(predictions: pd.DataFrame, items: pd.DataFrame, prompts: Sequence[str]) -> pd.DataFrame:
    """model, item, image, task, attribute, true, false, chosen, correct: one row a decision of the binding tasks and seed.

    attribute: what the false sentence gets wrong; true, false, chosen: its values in the sentences.
    """
    mine = predictions[predictions["task"].isin(BINDING)].merge(items[["item", "candidates"]], on="item")
    rows = []
    for row in mine.itertuples():
        attribute = BINDING[row.task][0]
        values = [_value(prompts[number], attribute) for number in row.candidates]
        chosen, false = values[row.prediction], values[1 - row.label]
        head, named = (row.model, row.item, row.image, row.task), (attribute, values[row.label], false, chosen)
        rows.append((*head, *named, bool(row.correct)))
    columns = ["model", "item", "image", "task", "attribute", "true", "false", "chosen", "correct"]
    return pd.DataFrame(rows, columns=columns)


def _share(keys: Sequence[str], group: pd.DataFrame, column: str) -> tuple:
    """keys, the share of a column, its 95 % interval and n: seeds of a decision averaged, decisions about one image not independent."""
    items = group.groupby("item").agg(share=(column, "mean"), image=("image", "first"))
    return (*keys, *clustered_wilson(items["share"], items["image"]), len(items))


def shapes(table: pd.DataFrame) -> pd.DataFrame:
    """SHAPE_COLUMNS: decisions between two shapes, over the Shape|* tasks together, Wilson 95 % at as many decisions as their images
    are worth; n counts decisions, once for all seeds; true shapes in their usual order."""
    mine = table[table["attribute"] == "Shape"]
    groups = mine.groupby(["model", "true", "false"], sort=False)
    found = pd.DataFrame([_share(keys, group, "correct") for keys, group in groups], columns=SHAPE_COLUMNS)
    place = ORDER["Shape"].index
    return found.sort_values(["true", "false"], key=lambda names: names.map(place), kind="stable").reset_index(
        drop=True
    )


def larger(table: pd.DataFrame, scenes: pd.DataFrame) -> pd.DataFrame:
    """LARGER_COLUMNS: share of decisions for the larger object's colour or shape, in scenes of two sizes, whatever was asked.

    The sentence is about either object at random, so a model that binds, or guesses, has a share of one half. The paper
    says that generative models tend to the larger object's colour. scenes: image, and the scene table's columns.
    """
    sizes = scenes[scenes[column_name(POSITIONS[0], "size")] != scenes[column_name(POSITIONS[1], "size")]].set_index(
        "image"
    )
    side = sizes[column_name(POSITIONS[0], "size")].map({"large": POSITIONS[0], "small": POSITIONS[1]})
    wide = table["task"].map(lambda name: "Size" not in BINDING[name])
    mine = table[wide & table["attribute"].isin(COMPARED) & table["image"].isin(sizes.index)]
    wins = [
        row.chosen == sizes.at[row.image, column_name(side[row.image], COMPARED[row.attribute])]
        for row in mine.itertuples()
    ]
    groups = mine.assign(wins=pd.Series(wins, mine.index, dtype=bool)).groupby(["model", "attribute"], sort=False)
    rows: list[tuple] = [_share((model, COMPARED[attribute]), group, "wins") for (model, attribute), group in groups]
    return pd.DataFrame(rows, columns=LARGER_COLUMNS)


def breakdown(predictions: pd.DataFrame, data: Mapping[str, object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(shapes, larger) of predictions of the binding tasks; data: `items`, `prompts` and `scenes` of their data set."""
    table = decisions(predictions, data["items"], data["prompts"])
    return shapes(table), larger(table, data["scenes"])
