"""Crop and resize images as the paper does: the largest central square, then bicubic resizing."""

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from diffzero.data.decode import decode_image

# Pillow's bicubic filter widens its kernel when it shrinks an image (antialiasing). Scores depend on it: see SCORING_VERSION.
RESAMPLING = Image.Resampling.BICUBIC


def central_crop(image: Image.Image) -> Image.Image:
    """Return the largest central square. If an odd number of pixels is cut, the additional one is at the right or the bottom."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def resize(image: Image.Image, size: int) -> Image.Image:
    """Return `image` at `size` x `size` pixels, bicubic with antialiasing."""
    return image if image.size == (size, size) else image.resize((size, size), RESAMPLING)


def downsample(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a crop [side, side, 3] at `size` x `size` pixels."""
    return np.asarray(resize(Image.fromarray(pixels), size))


def crop_image(data: bytes, name: str, size: int, downsample_to: int | None = None) -> NDArray[np.uint8]:
    """Return an image as a network receives it: the central square, resized.

    Parameters
    ----------
    data : bytes
        The image file.
    name : str
        Its name, for messages.
    size : int
        Pixels per side of the result.
    downsample_to : int, optional
        Pixels per side to which the square is downsampled first, as in CLIP's 64-then-224 setting and Section 4.1 of the paper.

    Returns
    -------
    ndarray of uint8
        Pixels [size, size, 3].

    Raises
    ------
    ImageError
    """
    square = central_crop(decode_image(data, name))
    return np.asarray(resize(resize(square, downsample_to) if downsample_to else square, size))


def crop_images(table: pd.DataFrame, size: int, downsample_to: int | None = None) -> NDArray[np.uint8]:
    """Return the crops of all images (columns `image`, `bytes`) in the table's order: [image, size, size, 3]."""
    # The crops are in memory only once, unlike with np.stack.
    crops = np.empty((len(table), size, size, 3), dtype=np.uint8)
    for k, crop in enumerate(iter_crops(table, size, downsample_to)):
        crops[k] = crop
    return crops


def iter_crops(table: pd.DataFrame, size: int, downsample_to: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Iterate over the crops of all images (columns `image`, `bytes`), each [size, size, 3]."""
    images = zip(table["bytes"], table["image"], strict=True)
    return (crop_image(data, name, size, downsample_to) for data, name in images)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return `pixels` [height, width] or [height, width, 3] as a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
