"""Errors of attribute binding: which shapes are confused, and whether the larger object's attribute is preferred."""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from diffzero.analysis.rows import iter_rows
from diffzero.analysis.statistics import clustered_wilson_interval
from diffzero.binding.scene_table import column_name
from diffzero.binding.scenes import POSITIONS
from diffzero.binding.tasks import ORDER, TASKS

BINDING_ATTRIBUTES = {task.name: task.attributes for task in TASKS if task.kind == "binding"}
DECISION_COLUMNS = ["model", "item", "image", "task", "attribute", "true", "false", "chosen", "correct"]
SHAPE_COLUMNS = ["model", "true", "false", "accuracy", "low", "high", "n"]
LARGER_COLUMNS = ["model", "attribute", "share", "low", "high", "n"]
# Attributes whose values can be compared with those of the larger object. Size is not among them: it would name that object.
COMPARED_ATTRIBUTES = {"Color": "colour", "Shape": "shape"}


def _attribute_value(sentence: str, attribute: str) -> str:
    words = sentence.removesuffix(".").split()
    return next(value for value in ORDER[attribute] if value in words)


def list_binding_decisions(predictions: pd.DataFrame, items: pd.DataFrame, prompts: Sequence[str]) -> pd.DataFrame:
    """List the decisions of the binding tasks with the attribute values in their sentences.

    Parameters
    ----------
    predictions
        Columns of predictions.parquet and model.
    items
        Columns item and candidates (indices into `prompts`).

    Returns
    -------
    One row per prediction. Columns model, item, image, task, attribute (the attribute that the false sentence gets wrong), true,
    false, chosen (its values in the true, the false and the chosen sentence; all str) and correct (bool).
    """
    binding = predictions[predictions["task"].isin(BINDING_ATTRIBUTES)].merge(items[["item", "candidates"]], on="item")
    rows = []
    for row in iter_rows(binding):
        attribute = BINDING_ATTRIBUTES[row.task][0]
        values = [_attribute_value(prompts[number], attribute) for number in row.candidates]
        true, false, chosen = values[row.label], values[1 - row.label], values[row.prediction]
        rows.append((row.model, row.item, row.image, row.task, attribute, true, false, chosen, bool(row.correct)))
    return pd.DataFrame(rows, columns=DECISION_COLUMNS)


def _share_row(keys: Iterable[Hashable], group: pd.DataFrame, value: str) -> tuple[Hashable, ...]:
    """Return the keys, the mean of a column with its 95 % interval, and n items.

    The seeds of an item are averaged first; items that share an image are not independent.
    """
    items = group.groupby("item").agg(share=(value, "mean"), image=("image", "first"))
    return (*keys, *clustered_wilson_interval(items["share"], items["image"]), len(items))


def shape_confusions(decisions: pd.DataFrame) -> pd.DataFrame:
    """Compute the accuracy of decisions between each pair of shapes, over all Shape|* tasks.

    Returns
    -------
    One row per model and (true, false) shape, true shapes in their usual order. Columns model, true, false (str), accuracy,
    low, high (float64, Wilson 95 % at the effective number of decisions) and n (int64, decisions; all seeds of one count once).
    """
    groups = decisions[decisions["attribute"] == "Shape"].groupby(["model", "true", "false"], sort=False)
    table = pd.DataFrame([_share_row(keys, group, "correct") for keys, group in groups], columns=SHAPE_COLUMNS)
    position = ORDER["Shape"].index
    return table.sort_values(["true", "false"], key=lambda names: names.map(position), kind="stable").reset_index(
        drop=True
    )


def larger_object_choices(decisions: pd.DataFrame, scenes: pd.DataFrame) -> pd.DataFrame:
    """Compute the share of decisions for the larger object's colour or shape, in scenes with objects of two sizes.

    The sentences describe one of the two objects at random, so the share is one half for a model that binds and for one that guesses.
    The paper reports that generative models prefer the larger object's colour.

    Parameters
    ----------
    decisions
        From `list_binding_decisions`.
    scenes
        Column image and the columns of the scene table.

    Returns
    -------
    One row per model and attribute. Columns model, attribute (str: colour or shape), share, low, high (float64, as the accuracy in
    `shape_confusions`) and n (int64, decisions).
    """
    sizes = scenes[scenes[column_name(POSITIONS[0], "size")] != scenes[column_name(POSITIONS[1], "size")]].set_index(
        "image"
    )
    larger = sizes[column_name(POSITIONS[0], "size")].map({"large": POSITIONS[0], "small": POSITIONS[1]})
    without_size = decisions["task"].map(lambda name: "Size" not in BINDING_ATTRIBUTES[name])
    usable = without_size & decisions["attribute"].isin(COMPARED_ATTRIBUTES) & decisions["image"].isin(sizes.index)
    compared = decisions[usable]
    wins = [
        row.chosen == sizes.at[row.image, column_name(larger[row.image], COMPARED_ATTRIBUTES[row.attribute])]
        for row in iter_rows(compared)
    ]
    compared = compared.assign(wins=pd.Series(wins, compared.index, dtype=bool))
    rows = [
        _share_row((model, COMPARED_ATTRIBUTES[str(attribute)]), group, "wins")
        for (model, attribute), group in compared.groupby(["model", "attribute"], sort=False)
    ]
    return pd.DataFrame(rows, columns=LARGER_COLUMNS)


class BindingErrors(NamedTuple):
    """The two tables behind the figure of binding errors."""

    shapes: pd.DataFrame
    """From `shape_confusions`."""
    larger: pd.DataFrame
    """From `larger_object_choices`."""


def summarise_binding_errors(
    predictions: pd.DataFrame, items: pd.DataFrame, prompts: Sequence[str], scenes: pd.DataFrame
) -> BindingErrors:
    """Summarise the errors of predictions of the binding tasks; the other arguments describe their data set."""
    decisions = list_binding_decisions(predictions, items, prompts)
    return BindingErrors(shape_confusions(decisions), larger_object_choices(decisions, scenes))
