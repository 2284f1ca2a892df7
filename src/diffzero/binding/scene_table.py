"""Scene tables: column names, and reading and checking their rows."""

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
    """A scene table lacks a column or holds a value that no scene has."""


def column_name(position: str, field: str) -> str:
    """Name of an object's column in a scene table, e.g. `left_shape`."""
    return f"{position}_{field}"


def cell_error(where: str, row: int, name: str, found: object, expected: object) -> SceneTableError:
    """The error for one cell of a scene table; `where` is its file."""
    return SceneTableError(
        f"{where}: row {row}, column {name!r}: found {found}, expected {expected}. Mend the file, or delete it if this run rendered it, "
        "and repeat the command."
    )


def _require_places(frame: pd.DataFrame, where: str) -> None:
    """Nothing; raises SceneTableError for the first object outside the frame, or not on its side."""
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
    """The scenes of a table as `rendering.render_scenes` makes it, in its order; `unknown` attributes become None, whatever the table says.

    Raises SceneTableError naming the table as `where`, the column, and the row and value where there is one: a column is absent, a
    value is no scene's, the left object is not on the left, or a scene is there twice.
    """
    needed = ["scene", "seed"] + [column_name(position, field) for position in POSITIONS for field in FIELDS]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise SceneTableError(
            f"{where}: column {missing[0]!r} is missing; found {list(frame.columns)}, expected {needed}."
        )
    for position, (field, legal) in product(POSITIONS, VOCABULARY.items()):
        if field in unknown:
            continue
        name = column_name(position, field)
        for row in np.flatnonzero(~frame[name].isin(legal)):
            raise cell_error(where, row, name, repr(frame[name].iloc[row]), f"one of {legal}")
    if "position" not in unknown:
        _require_places(frame, where)
    for row in np.flatnonzero(frame.duplicated(["seed", "scene"])):
        scene, seed = frame["scene"].iloc[row], frame["seed"].iloc[row]
        raise cell_error(where, row, "scene", f"scene {scene} of seed {seed} once more", "each scene once")
    return [_record(row, unknown) for row in frame[needed].to_dict("records")]


def _record(row: dict[str, Any], unknown: Collection[str]) -> SceneRecord:
    left, right = (
        ObjectRecord(
            position=None if "position" in unknown else position,
            **{name: None if name in unknown else row[column_name(position, field)] for field, name in FIELDS.items()},
        )
        for position in POSITIONS
    )
    return SceneRecord(int(row["scene"]), int(row["seed"]), (left, right))
