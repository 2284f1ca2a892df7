"""The input files of a scoring job, checked before anything is computed: row counts, prompts and finite values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save

from diffzero.scoring.store import content_key
from diffzero.typing import Arrays

REBUILD = "Delete it and re-run the same command, which rebuilds it."


class InputError(ValueError):
    """A file does not match the images or prompts of its job, or holds values that are not finite."""


@dataclass(frozen=True)
class ShardInputs:
    """The input files of a shard, and the position of the shard."""

    images: Path  # Parquet: column image, and others
    items: Path  # Parquet: the item table
    prompts: list[str]
    crops: Path  # npy: [image, height, width, 3], uint8
    x: Path  # npy: [image, *x], fp32
    text: Path  # safetensors: text inputs, each [prompt, ...]
    shard: int  # from 1
    shards: int
    max_images: int | None  # use only the first images of the data set

    def image_names(self) -> list[str]:
        """Read the names of all images.

        Raises
        ------
        InputError
            If two images have the same name.
        """
        column = pd.read_parquet(self.images, columns=["image"])["image"]
        if column.duplicated().any():
            name, count = column[column.duplicated()].iloc[0], column.duplicated(keep=False).sum()
            raise InputError(
                f"{self.images}: found {name!r} as the name of several images ({count} rows share names), expected unique names, which "
                f"draws and predictions refer to. Rename the images in their source, delete {self.images} and re-run the same command."
            )
        names: list[str] = column.tolist()
        return names

    def open_array(self, path: Path, count: int) -> NDArray[Any]:
        """Open the array [image, ...] in a file without reading it into memory.

        Raises
        ------
        InputError
            If the array does not have `count` rows.
        """
        array: NDArray[Any] = np.load(path, mmap_mode="r")
        if len(array) != count:
            raise InputError(f"{path}: found {len(array)} images, expected {count}, as in {self.images}. {REBUILD}")
        return array


def dump_text(text: Arrays, prompts: list[str]) -> bytes:
    """Return text inputs, each [prompt, ...], as a safetensors file that records a digest of the prompts and their order."""
    return save(text, {"prompts": content_key(*prompts)})


def load_text(path: Path, prompts: list[str]) -> Arrays:
    """Read text inputs, each [prompt, ...].

    Raises
    ------
    InputError
        If the file was made from other prompts or in another order, has another number of rows, or has values that are not finite.
    """
    with safe_open(path, "np") as file:
        found = (file.metadata() or {}).get("prompts")
    if found != content_key(*prompts):
        raise InputError(
            f"{path}: found text inputs of other prompts or in another order (digest {found}), expected those of "
            f"{len(prompts)} prompts from {prompts[0]!r} to {prompts[-1]!r} (digest {content_key(*prompts)}). {REBUILD}"
        )
    arrays: Arrays = load_file(path)
    for name, values in arrays.items():
        if len(values) != len(prompts):
            raise InputError(f"{path}, {name}: found {len(values)} prompts, expected {len(prompts)}. {REBUILD}")
        check_finite(values, [f"prompt {prompt!r}" for prompt in prompts], f"{path}, {name}", "text encoder")
    return arrays


def check_finite(values: NDArray[Any], rows: Sequence[str], where: str, encoder: str) -> None:
    """Raise InputError if `values` [row, ...] holds NaN or infinity; the message names the first such row."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if len(bad):
        raise InputError(
            f"{where}: found NaN or infinity for {rows[bad[0]]} ({len(bad)} of {len(values)} rows), expected finite numbers. {REBUILD} "
            f"If that does not help, the weights of the {encoder} are corrupt: download the checkpoint again."
        )
