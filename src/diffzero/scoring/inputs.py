"""The files of a scoring job, looked at before anything is computed with them: no row too few, no other prompts, no number missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save

from diffzero.scoring.store import content_key
from diffzero.typing import Arrays

ANEW = "Delete it and type the same command again: it is made anew."


class InputError(ValueError):
    """A file that does not belong to the images or prompts of its job, or holds what cannot be scored; the message names it."""


@dataclass(frozen=True)
class ShardInputs:
    """The files of a shard, and which part of them is its own."""

    images: Path
    items: Path
    prompts: list[str]
    crops: Path
    x: Path
    text: Path
    shard: int
    shards: int
    first: int | None  # only the first images of the selection

    def names(self) -> list[str]:
        """The names of all images. Raises InputError for one that two of them bear."""
        column = pd.read_parquet(self.images, columns=["image"])["image"]
        if column.duplicated().any():
            name, count = column[column.duplicated()].iloc[0], column.duplicated(keep=False).sum()
            raise InputError(
                f"{self.images}: found {name!r} as the name of several images ({count} rows share names), expected one each: draws and "
                f"decisions go by it. Rename them where they come from, delete {self.images} and type the same command again."
            )
        return column.tolist()

    def rows(self, path: Path, names: Sequence[str]) -> NDArray:
        """The array [image, ...] in a file, not yet read from disk. Raises InputError unless it has a row for each image."""
        array = np.load(path, mmap_mode="r")
        if len(array) != len(names):
            raise InputError(f"{path}: found {len(array)} images, expected {len(names)}, as in {self.images}. {ANEW}")
        return array


def dump_text(text: Arrays, prompts: list[str]) -> bytes:
    """Text embeddings as a safetensors file that says of which prompts they are, in which order."""
    return save(text, {"prompts": content_key(*prompts)})


def read_text(path: Path, prompts: list[str]) -> Arrays:
    """Text embeddings, each [prompt, ...]. Raises InputError where they are of other prompts, in another order or not finite."""
    with safe_open(path, "np") as file:
        made_of = (file.metadata() or {}).get("prompts")
    if made_of != content_key(*prompts):
        raise InputError(
            f"{path}: found the text of other prompts, or of these in another order (digest {made_of}), expected that of "
            f"{len(prompts)} prompts from {prompts[0]!r} to {prompts[-1]!r} (digest {content_key(*prompts)}). {ANEW}"
        )
    arrays = load_file(path)
    for name, values in arrays.items():
        if len(values) != len(prompts):
            raise InputError(f"{path}, {name}: found {len(values)} prompts, expected {len(prompts)}. {ANEW}")
        require_finite(values, [f"prompt {prompt!r}" for prompt in prompts], f"{path}, {name}", "text encoder")
    return arrays


def require_finite(values: NDArray, rows: Sequence[str], where: str, encoder: str) -> None:
    """Raise InputError for the first row of `values` that holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if len(bad):
        raise InputError(
            f"{where}: found NaN or infinity for {rows[bad[0]]} ({len(bad)} of {len(values)} rows), expected finite numbers. {ANEW} "
            f"If that does not help, the {encoder}'s weights are broken: get the checkpoint again."
        )
