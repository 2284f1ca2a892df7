"""Scene tables: names of the columns, and checked conversion of rows to scenes."""

from collections.abc import Collection
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from diffzero.binding.scenes import POSITIONS, VOCABULARY, ObjectRecord, SceneRecord

# Field of a table column -> attribute of an object.
FRACTIONS = {"x": "pixel_x", "y": "pixel_y", "visible": "visible"}
FIELDS = {name: name for name in VOCABULARY} | FRACTIONS


class SceneTableError(ValueError):
    """A scene table lacks a column or has an invalid value."""


def column_name(position: str, field: str) -> str:
    """Return the name of an object's column in a scene table, e.g. `left_shape`."""
    return f"{position}_{field}"


def cell_error(where: str, row: int | np.integer[Any], name: str, found: object, expected: object) -> SceneTableError:
    """Return the error for one cell of the scene table in the file `where`."""
    return SceneTableError(
        f"{where}: row {row}, column {name!r}: found {found}, expected {expected}. Correct the file, or delete it if this run rendered it, "
        "and re-run the same command."
    )


def _require_positions(frame: pd.DataFrame, where: str) -> None:
    """Raise SceneTableError for the first object that is outside the frame or on the wrong side."""
    for position, field in product(POSITIONS, FRACTIONS):
        name = column_name(position, field)
        for row in np.flatnonzero(~pd.to_numeric(frame[name], errors="coerce").between(0, 1)):
            raise cell_error(where, row, name, repr(frame[name].iloc[row]), "a number from 0 to 1")
    left, right = (column_name(position, "x") for position in POSITIONS)
    for row in np.flatnonzero(frame[left] >= frame[right]):
        raise cell_error(
            where, row, left, frame[left].iloc[row], f"less than {right!r}, which is {frame[right].iloc[row]}"
        )


def scenes_from_frame(
    frame: pd.DataFrame, unknown: Collection[str] = (), where: str = "scene table"
) -> list[SceneRecord]:
    """Return the scenes of a table, in its order.

    Parameters
    ----------
    frame : DataFrame
        A table with the columns that `render_scenes` documents.
    unknown : collection of str
        Attributes that become None even if the table contains them.
    where : str
        Name of the table in error messages.

    Raises
    ------
    SceneTableError
        If a column is missing, a value is invalid, the left object is not on the left, or a scene occurs twice.
    """
    needed = ["scene", "seed"] + [column_name(position, field) for position in POSITIONS for field in FIELDS]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise SceneTableError(
            f"{where}: column {missing[0]!r} is missing; found {list(frame.columns)}, expected {needed}. Correct the file, or delete it "
            "if this run rendered it, and re-run the same command."
        )
    for position, (field, legal) in product(POSITIONS, VOCABULARY.items()):
        if field in unknown:
            continue
        name = column_name(position, field)
        for row in np.flatnonzero(~frame[name].isin(legal)):
            raise cell_error(where, row, name, repr(frame[name].iloc[row]), f"one of {legal}")
    if "position" not in unknown:
        _require_positions(frame, where)
    for row in np.flatnonzero(frame.duplicated(["seed", "scene"])):
        scene, seed = frame["scene"].iloc[row], frame["seed"].iloc[row]
        raise cell_error(where, row, "scene", f"scene {scene} of seed {seed} a second time", "each scene once")
    return [_make_record(row, unknown) for row in frame[needed].to_dict("records")]


def _make_record(row: dict[Any, Any], unknown: Collection[str]) -> SceneRecord:
    objects = []
    for position in POSITIONS:
        values: dict[str, Any] = {name: row[column_name(position, field)] for field, name in FIELDS.items()}
        values["position"] = position
        values |= {name: None for name in values if name in unknown}
        objects.append(ObjectRecord(**values))
    left, right = objects
    return SceneRecord(int(row["scene"]), int(row["seed"]), (left, right))
