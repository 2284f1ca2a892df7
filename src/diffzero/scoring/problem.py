"""The input of the scoring engine: images, prompts, and the decisions to take between prompts."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.typing import Arrays, Ints
from diffzero.utils.result_files import read_record


@dataclass(frozen=True)
class Item:
    """One decision: which of some candidate prompts describes an image."""

    name: str
    image: int  # row of Problem.images
    candidates: Ints  # rows of Problem.prompts, in label order


@dataclass(frozen=True)
class Problem:
    """Everything that scores depend on, apart from the denoiser."""

    dataset: str
    seed: int
    unshared: bool  # one draw per prompt (Figure 2) instead of one draw that all prompts of an image share
    images: list[str]  # names; part of the keys of the draws
    image_keys: list[str]  # content keys in the store
    x: NDArray[np.float32]  # [image, *x] latents, or pixels of a pixel model
    prompts: list[str]
    prompt_keys: list[str]  # content keys in the store
    text: Arrays  # text inputs of the network, each [prompt, ...]
    items: list[Item]
    conditions: Arrays = field(default_factory=dict)  # other inputs that depend on the image, each [image, ...]
    equal_prompts: dict[int, int] = field(
        default_factory=dict
    )  # prompts that are no candidates, with the prompt that stands for each


def select_items(table: pd.DataFrame, images: list[str]) -> list[Item]:
    """Return the items of some images.

    Parameters
    ----------
    table
        Item table of a data set: columns item, image, candidates and others (diffzero.data.prompts).
    images
        Names of the images, in the order of Problem.images.
    """
    position = {name: row for row, name in enumerate(images)}
    selected = table[table["image"].isin(list(position))]
    return [
        Item(item, position[image], np.asarray(candidates, dtype=np.int64))
        for item, image, candidates in zip(selected["item"], selected["image"], selected["candidates"], strict=True)
    ]


def shard_slice(count: int, shard: int, shards: int) -> slice:
    """Return the rows of shard `shard` (from 1 to `shards`); shards are contiguous and their sizes differ by at most one."""
    return slice(count * (shard - 1) // shards, count * shard // shards)


def read_prompts(path: Path) -> list[str]:
    """Read the unique prompts of a data set from its prompts.json."""
    prompts: list[str] = read_record(path)["prompts"]
    return prompts
