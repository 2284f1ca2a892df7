"""Rows of a DataFrame for loops."""

from collections.abc import Iterator
from typing import Any

import pandas as pd


def iter_rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Return the rows as named tuples. They are `Any` because a type checker does not know the columns of a DataFrame."""
    return iter(frame.itertuples())
