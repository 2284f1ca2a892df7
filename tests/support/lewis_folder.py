"""A folder in the format of Lewis et al. (2022), with small pictures."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from diffzero.binding.scenes import COLOUR_RGB

# The tasks that use only shapes and colours.
APPLICABLE_TASKS = {"Shape", "Color", "Shape,Color", "Shape|Color", "Color|Shape"}
OBJECTS = [
    ("red cube", "blue sphere"),  # both held out
    ("gray cube", "green sphere"),
    ("brown cylinder", "yellow cube"),
    ("purple sphere", "cyan cylinder"),
    ("green cube", "red cylinder"),
    ("yellow sphere", "purple cylinder"),  # both held out
]


def draw_picture(objects: tuple[str, str], seed: int) -> bytes:
    """Return a PNG of 48 x 36 pixels with two coloured patches and noise, different for every call."""
    image = Image.fromarray(np.random.default_rng(seed).integers(90, 110, (36, 48, 3), dtype=np.uint8))
    for text, left in zip(objects, (6, 28), strict=True):
        box = (left, 10, left + 14, 24)
        draw = ImageDraw.Draw(image)
        (draw.rectangle if "cube" in text else draw.ellipse)(box, fill=COLOUR_RGB[text.split()[0]])
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


def false_labels(one: str, other: str) -> list[str]:
    """Return four false labels: both swaps, and two that share no attribute with the object."""
    (colour, shape), (other_colour, other_shape) = one.split(), other.split()
    third = next(name for name in ("cube", "sphere", "cylinder") if name not in (shape, other_shape))
    free = [name for name in COLOUR_RGB if name not in (colour, other_colour)]
    return [f"{other_colour} {shape}", f"{colour} {other_shape}", f"{free[0]} {third}", f"{free[1]} {third}"]


def label_rows(objects: list[tuple[str, str]]) -> list[list[str]]:
    """Return the rows of a CSV that label both objects of every image."""
    rows = []
    for k, (one, other) in enumerate(objects):
        name = f"CLEVR_new_{k:06d}.png"
        rows += [[name, one, *false_labels(one, other)], [name, other, *false_labels(other, one)]]
    return rows


def write_lewis_folder(
    lewis_dir: Path, rows: list[list[str]], objects: list[tuple[str, str]] = OBJECTS, split: str = "gen"
) -> Path:
    """Write a folder in the format of Lewis et al. with one image per pair of objects."""
    pictures = lewis_dir / "two_object" / "images" / split
    pictures.mkdir(parents=True, exist_ok=True)
    for k, couple in enumerate(objects):
        (pictures / f"CLEVR_new_{k:06d}.png").write_bytes(draw_picture(couple, k))
    with (lewis_dir / "two_object" / f"{split}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file_name", "pos", *(f"neg_{k}" for k in range(4))], *rows])
    return lewis_dir
