"""The image half of the protocol: decode, central square crop, resize. One function a step."""

import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow's bicubic filter, which widens its kernel when it shrinks (antialias). Part of a score's identity: see scoring.SCORING_VERSION.
RESAMPLING = Image.Resampling.BICUBIC


class ImageError(ValueError):
    """An image that cannot be decoded or cropped; the message names it."""


def decode(data: bytes, name: str) -> Image.Image:
    """The picture in `data` as upright RGB: EXIF rotation applied, transparency laid on white, grey and palette converted.

    Raises ImageError, naming `name`, for anything that Pillow cannot decode to the last pixel.
    """
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ImageError(
            f"image {name}: cannot be decoded ({error}). Expected a whole PNG, JPEG or WebP file."
        ) from error
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return grey16(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def grey16(image: Image.Image) -> Image.Image:
    """A 16-bit grey image as 8 bits by dropping the low byte; Pillow's own conversion clips at 255 and gives white."""
    values = np.asarray(image, dtype=np.float64)
    return Image.fromarray((values / 257.0).round().clip(0, 255).astype(np.uint8))


def central_crop(image: Image.Image) -> Image.Image:
    """The largest central square; an odd rest leaves the extra pixel at the right or the bottom."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def resize(image: Image.Image, size: int) -> Image.Image:
    """`image` at `size` x `size` pixels, bicubic with antialias."""
    return image if image.size == (size, size) else image.resize((size, size), RESAMPLING)


def reduced(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A crop [side, side, 3] at `size` x `size` pixels."""
    return np.asarray(resize(Image.fromarray(pixels), size))


def crop(data: bytes, name: str, size: int, via: int | None = None) -> NDArray[np.uint8]:
    """The network's view of an image: central square, then resize (the paper's order), as uint8 [size, size, 3].

    `via` first reduces the square to that many pixels: CLIP's 64-then-224 setting and Section 4.1's 32 and 64.
    """
    square = central_crop(decode(data, name))
    return np.asarray(resize(resize(square, via) if via else square, size))


def crops(table: pd.DataFrame, size: int, via: int | None = None) -> NDArray[np.uint8]:
    """The crops of all images (columns image, bytes) in the table's order: [image, size, size, 3]."""
    return np.stack([crop(row.bytes, row.image, size, via) for row in table.itertuples()])


def png(pixels: NDArray[np.uint8]) -> bytes:
    """`pixels` [height, width] or [height, width, 3] uint8 as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
