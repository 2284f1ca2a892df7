"""Class prompts, and the items of a classification."""

from typing import TypedDict

import pandas as pd

from diffzero.data.selection import CUES


class ClassPrompts(TypedDict):
    """The prompts of a data set, as prompts.json holds them."""

    prompts: list[str]
    """The unique prompts."""
    classnames: list[str]
    """Name of each class."""
    class_prompt: list[int]
    """Index in `prompts` of the prompt of each class."""
    duplicates: list[list[int]]
    """Labels that share a prompt: two classes of ImageNet are called "missile"."""


def class_prompts(template: str, classnames: list[str]) -> ClassPrompts:
    """Return the prompts of all classes. Raises ValueError if there are fewer than two different ones."""
    texts = [template.format(name) for name in classnames]
    prompts = list(dict.fromkeys(texts))
    class_prompt = [prompts.index(text) for text in texts]
    shared = [[k for k, p in enumerate(class_prompt) if p == prompt] for prompt in range(len(prompts))]
    if len(prompts) < 2:
        raise ValueError(f"prompts: found only {prompts}, expected at least two different ones.")
    return {
        "prompts": prompts,
        "classnames": classnames,
        "class_prompt": class_prompt,
        "duplicates": [labels for labels in shared if len(labels) > 1],
    }


def classification_items(table: pd.DataFrame, prompts: ClassPrompts) -> pd.DataFrame:
    """Return one item per image, with all unique prompts as candidates.

    Parameters
    ----------
    table : DataFrame
        Columns `image`, `label`, and CUES for cue-conflict images.
    prompts : ClassPrompts
        The prompts of the data set.

    Returns
    -------
    DataFrame
        Columns `item`, `task` ("classify") and `image` (str), `label` (int64), `candidates` (list of indices of prompts), `classes`
        (list with the label of each candidate: the lowest of those that share the prompt), and CUES.
    """
    class_prompt = prompts["class_prompt"]
    candidates = list(range(len(prompts["prompts"])))
    classes = [class_prompt.index(prompt) for prompt in candidates]
    return pd.DataFrame(
        {
            "item": table["image"],
            "task": "classify",
            "image": table["image"],
            "label": table["label"],
            "candidates": [candidates] * len(table),
            "classes": [classes] * len(table),
            **{cue: table[cue] for cue in CUES if cue in table},
        }
    )
