"""The input files of a scoring job, checked before anything is computed: row counts, prompts and finite values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffzero.models.base import Denoiser
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.scoring.store import content_key
from diffzero.typing import Arrays
from diffzero.utils.freshness import require_fresh, require_made_from, require_settings
from diffzero.utils.provenance import Sources, remake
from diffzero.utils.result_files import digests_of, read_arrays, read_parquet, read_provenance, write_arrays
from diffzero.utils.row_files import RowFile, write_rows


class InputError(ValueError):
    """A file does not match the images or prompts of its job, or holds values that are not finite."""


@dataclass(frozen=True)
class ShardInputs:
    """The input files of a shard, and the position of the shard."""

    images: Path  # Parquet: column image, and others
    items: Path  # Parquet: the item table
    prompts: Path  # JSON: the prompts of the data set
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
        column = read_parquet(self.images, ["image"])["image"]
        if column.duplicated().any():
            name, count = column[column.duplicated()].iloc[0], column.duplicated(keep=False).sum()
            raise InputError(
                f"{self.images}: found {name!r} as the name of several images ({count} rows share names), expected unique names, which "
                f"draws and predictions refer to. Rename the images in their source. {remake([self.images])}"
            )
        names: list[str] = column.tolist()
        return names

    def digests(self, weights: CheckpointRecord) -> dict[Path, str]:
        """Return the digests of everything that the scores of the shard are made from, by file."""
        files = (self.images, self.items, self.prompts, self.crops, self.x, self.text)
        return digests_of(files) | {weights.record: weights.digest}

    def open_rows(self, path: Path, count: int) -> RowFile:
        """Open the array [image, ...] in a file without reading it into memory.

        Raises
        ------
        DamagedFileError, InputError
            If the file is damaged, or the array does not have `count` rows.
        """
        rows = RowFile(path)
        if len(rows) != count:
            raise InputError(
                f"{path}: found {len(rows)} images, expected {count}, as in {self.images}. {remake([path])}"
            )
        return rows


def encoder_settings(adapter: type[Denoiser]) -> dict[str, Any]:
    """Return what the values of latents and text embeddings depend on apart from weights, crops and prompts."""
    return {"family": adapter.__name__, "family_version": adapter.FAMILY_VERSION}


def write_latents(
    latents: Iterable[NDArray[np.float32]], count: int, path: Path, adapter: type[Denoiser], sources: Sources
) -> None:
    """Write x of `count` images, which an adapter yields in batches; `sources` are the crops and the checkpoint's record."""
    write_rows(latents, count, path, sources, encoder_settings(adapter))


def write_text(text: Arrays, prompts: list[str], path: Path, adapter: type[Denoiser], sources: Sources) -> None:
    """Write text inputs of an adapter, each [prompt, ...]; `sources` are the prompts file and the checkpoint's record."""
    write_arrays(text, path, sources, {**encoder_settings(adapter), "prompts": content_key(*prompts)})


def load_text(path: Path, prompts: list[str]) -> Arrays:
    """Read text inputs, each [prompt, ...].

    Raises
    ------
    DamagedFileError, InputError
        If the file is damaged, was made from other prompts or in another order, has another number of rows, or has values that are
        not finite.
    """
    arrays = read_arrays(path)
    found = read_provenance(path).settings.get("prompts")
    if found != content_key(*prompts):
        raise InputError(
            f"{path}: found text inputs of other prompts or in another order (digest {found}), expected those of "
            f"{len(prompts)} prompts from {prompts[0]!r} to {prompts[-1]!r} (digest {content_key(*prompts)}). {remake([path])}"
        )
    for name, values in arrays.items():
        if len(values) != len(prompts):
            raise InputError(f"{path}, {name}: found {len(values)} prompts, expected {len(prompts)}. {remake([path])}")
        check_finite(values, [f"prompt {prompt!r}" for prompt in prompts], path, name, "text encoder")
    return arrays


def check_origin(inputs: ShardInputs, weights: CheckpointRecord, adapter: type[Denoiser]) -> None:
    """Raise StaleFileError unless all files of a shard were made from each other, by these weights and this version of the adapter."""
    digests = inputs.digests(weights)
    require_fresh(digests)
    encoder = encoder_settings(adapter)
    expected: dict[Path, tuple[Sequence[Path], dict[str, Any]]] = {
        inputs.items: ((inputs.images, inputs.prompts), {}),
        inputs.crops: ((inputs.images,), {}),
        inputs.x: ((inputs.crops, weights.record), encoder),
        inputs.text: ((inputs.prompts, weights.record), encoder),
    }
    for path, (sources, settings) in expected.items():
        provenance = read_provenance(path)
        require_settings(path, provenance, settings)
        require_made_from(path, provenance, {source: digests[source] for source in sources})


def check_finite(values: NDArray[Any], rows: Sequence[str], path: Path, part: str, encoder: str) -> None:
    """Raise InputError if `values` [row, ...], the part `part` of a file, holds NaN or infinity; the message names the first such row."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
    if len(bad):
        raise InputError(
            f"{path}, {part}: found NaN or infinity for {rows[bad[0]]} ({len(bad)} of {len(values)} rows), expected finite numbers. "
            f"{remake([path])} If that does not help, the weights of the {encoder} are corrupt: download the checkpoint again."
        )
