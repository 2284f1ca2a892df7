"""What a scoring job works on: images, prompts, and the races (items) among them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.typing import Arrays


@dataclass(frozen=True)
class Item:
    """One decision: `image` is a row of the problem's images, `candidates` are prompts in label order."""

    name: str
    image: int
    candidates: NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """Everything that scores depend on, apart from the denoiser."""

    dataset: str
    seed: int
    unshared: bool  # every prompt gets a draw of its own (Figure 2); otherwise all prompts of an image share it
    images: list[str]  # names; with `dataset`, the address of their draws
    image_keys: list[str]  # content keys in the store
    x: NDArray[np.float32]  # [image, *x]
    prompts: list[str]
    prompt_keys: list[str]
    text: Arrays  # each [prompt, ...]
    items: list[Item]
    conditions: Arrays = field(default_factory=dict)  # what else the network sees of an image, each [image, ...]


def select_items(table: pd.DataFrame, images: list[str]) -> list[Item]:
    """The rows of an item table whose image is in `images`, as Items."""
    position = {name: row for row, name in enumerate(images)}
    chosen = table[table["image"].isin(position)]
    return [
        Item(row.item, position[row.image], np.asarray(row.candidates, dtype=np.int64)) for row in chosen.itertuples()
    ]


def shard_slice(count: int, shard: int, shards: int) -> slice:
    """The rows of shard `shard` (1-based) of `shards`: contiguous, sizes differing by one at the most."""
    return slice(count * (shard - 1) // shards, count * shard // shards)


def read_prompts(path: Path) -> list[str]:
    """The unique prompts of a data set."""
    return json.loads(path.read_text())["prompts"]
