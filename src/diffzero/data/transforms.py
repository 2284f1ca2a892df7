"""The image half of the protocol: decode, central square crop, resize. One function a step."""

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from diffzero.data.decode import (
    decode_image,
)

# Pillow's bicubic filter, which widens its kernel when it shrinks (antialias). Part of a score's identity: see scoring.SCORING_VERSION.
RESAMPLING = Image.Resampling.BICUBIC


def central_crop(image: Image.Image) -> Image.Image:
    """The largest central square; an odd rest leaves the extra pixel at the right or the bottom."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def resize(image: Image.Image, size: int) -> Image.Image:
    """`image` at `size` x `size` pixels, bicubic with antialias."""
    return image if image.size == (size, size) else image.resize((size, size), RESAMPLING)


def downsample(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A crop [side, side, 3] at `size` x `size` pixels."""
    return np.asarray(resize(Image.fromarray(pixels), size))


def crop_image(data: bytes, name: str, size: int, via: int | None = None) -> NDArray[np.uint8]:
    """The network's view of an image: central square, then resize (the paper's order), as uint8 [size, size, 3].

    `via` first reduces the square to that many pixels: CLIP's 64-then-224 setting and Section 4.1's 32 and 64.
    """
    square = central_crop(decode_image(data, name))
    return np.asarray(resize(resize(square, via) if via else square, size))


def crop_images(table: pd.DataFrame, size: int, via: int | None = None) -> NDArray[np.uint8]:
    """The crops of all images (columns image, bytes) in the table's order: [image, size, size, 3]."""
    whole = np.empty((len(table), size, size, 3), dtype=np.uint8)  # once in memory, not twice as with np.stack
    for place, cut in zip(whole, iter_crops(table, size, via), strict=True):
        place[...] = cut
    return whole


def iter_crops(table: pd.DataFrame, size: int, via: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """The crops of all images (columns image, bytes), one after the other: each [size, size, 3]."""
    return (crop_image(row.bytes, row.image, size, via) for row in table.itertuples())


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """`pixels` [height, width] or [height, width, 3] uint8 as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
