"""Image folders of a user, in the ways in which users keep them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from diffzero.config import Dataset

NAMES = ["cat", "dog", "owl"]


def encoded(number: int, kind: str = "PNG", **options: object) -> bytes:
    """Return an image file; two numbers give two images."""
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def make_folder(root: Path, names: list[str] = NAMES, per_class: int = 2) -> Path:
    """Return a folder with a sub-folder of images per class."""
    for label, name in enumerate(names):
        for k in range(per_class):
            write(root / "animals" / name / f"{k}.png", encoded(10 * label + k))
    return root / "animals"


def animals(source: dict[str, object], names: list[str] = NAMES, **settings: object) -> Dataset:
    """Return a data set with one source."""
    values = {"title": "Animals", "classnames": names, "prompt_templates": ["a photo of a {}."], "licence": "MIT"}
    return Dataset.model_validate({**values, "source": source, **settings})


def folder_dataset(path: str = "animals", names: list[str] = NAMES, **keys: object) -> Dataset:
    """Return a data set with a folder as its source. Keys of the source are those that Folder has."""
    of_source = {key: keys.pop(key) for key in ("split", "ignore") if key in keys}
    return animals({"kind": "folder", "path": path, **of_source}, names, **keys)
