"""Class prompts and the items of a classification."""

import pandas as pd

from diffzero.data.selection import CUES


def class_prompts(template: str, classnames: list[str]) -> dict:
    """Unique prompts, the prompt of each class, and which labels share one (ImageNet has "missile" twice)."""
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


def classification_items(table: pd.DataFrame, prompts: dict) -> pd.DataFrame:
    """One item an image among all unique prompts, with its CUES; a prompt that two classes share answers with the lower label."""
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
