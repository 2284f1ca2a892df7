"""Prompts that a model cannot tell apart: "a Cat" and "a cat" are the same tokens for CLIP's text encoder, and one candidate."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ATTRIBUTE = "equal_prompts"
"""Key of DataFrame.attrs of a score table: pairs of a prompt that was not scored and the earlier prompt that stands for it."""


LABELS = "equal_labels"
"""Key of DataFrame.attrs of a merged item table and of its predictions: groups of labels that are one candidate, the lowest first."""


def find_equal_prompts(inputs: Iterable[NDArray[np.generic]]) -> dict[int, int]:
    """Return the prompts whose inputs equal those of an earlier prompt, each with the first such prompt.

    Parameters
    ----------
    inputs : iterable of ndarray
        All inputs of the network that depend on the prompt, each [prompt, ...].
    """
    arrays = [np.ascontiguousarray(array) for array in inputs]
    first: dict[tuple[bytes, ...], int] = {}
    equal = {}
    for row in range(len(arrays[0]) if arrays else 0):
        earlier = first.setdefault(tuple(array[row].tobytes() for array in arrays), row)
        if earlier != row:
            equal[row] = earlier
    return equal


def merge_equal_prompts(items: pd.DataFrame, equal: Mapping[int, int]) -> pd.DataFrame:
    """Return the item table with one candidate per group of equal prompts: the first, which has the lowest of their labels.

    Parameters
    ----------
    items : DataFrame
        The table of `classification_items`.
    equal : mapping
        The result of `find_equal_prompts`.

    Raises
    ------
    ValueError
        An item keeps fewer than two candidates.
    """
    if not equal or items.empty:
        return items
    kept = [_first_of_each([equal.get(prompt, prompt) for prompt in candidates]) for candidates in items["candidates"]]
    alone = [item for item, rows in zip(items["item"], kept, strict=True) if len(rows) < 2]
    if alone:
        raise ValueError(
            f"item {alone[0]}: found candidates that are all the same tokens for this model, expected at least two different ones. "
            "Change the class names or the prompt template."
        )
    merged = items.copy()
    for column in ("candidates", "classes"):
        merged[column] = [[values[k] for k in rows] for values, rows in zip(items[column], kept, strict=True)]
    merged.attrs[LABELS] = _label_groups(items.iloc[0], equal)
    return merged


def _label_groups(item: pd.Series, equal: Mapping[int, int]) -> list[list[int]]:
    """Return the labels of an item's candidates that are one, the lowest first."""
    groups: dict[int, list[int]] = {}
    for prompt, label in zip(item["candidates"], item["classes"], strict=True):
        groups.setdefault(equal.get(prompt, prompt), []).append(int(label))
    return [labels for labels in groups.values() if len(labels) > 1]


def _first_of_each(prompts: Sequence[int]) -> list[int]:
    """Return the positions of the first occurrence of each prompt."""
    return [k for k, prompt in enumerate(prompts) if prompt not in prompts[:k]]


def describe_equal_prompts(prompts: Sequence[str], equal: Mapping[int, int]) -> list[str]:
    """Return one line per prompt that another stands for, for the log."""
    return [
        f"prompt {prompts[row]!r} has the same tokens as {prompts[first]!r} for this model: they are one candidate, and the lower label "
        "is predicted"
        for row, first in equal.items()
    ]


def mark_equal_prompts(scores: pd.DataFrame, equal: Mapping[int, int]) -> pd.DataFrame:
    """Return a score table that states which prompts were not scored because another stands for them; unchanged if there are none."""
    if equal:
        scores.attrs[ATTRIBUTE] = [[row, first] for row, first in equal.items()]
    return scores


def concat_scores(shards: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the score tables of all shards of a scoring. Raises ValueError if they merge different prompts."""
    found = [shard.attrs.get(ATTRIBUTE, []) for shard in shards]
    if any(pairs != found[0] for pairs in found):
        raise ValueError(
            f"score shards: found some that merge the prompts {max(found, key=len)} and others that merge {min(found, key=len)}. They were "
            "scored with different text inputs: delete the files of this scoring under scores/ and re-run the same command."
        )
    return pd.concat(shards, ignore_index=True)


def scored_items(items: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the item table with the candidates that were scored (`mark_equal_prompts`)."""
    return merge_equal_prompts(items, dict(scores.attrs.get(ATTRIBUTE, [])))
