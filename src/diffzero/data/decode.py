"""Decode image files to upright 8-bit RGB."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# The largest photograph of the thirteen data sets has 42 million. Twice Pillow's own threshold for a warning, where it refuses by itself.
MAX_PIXELS = 178_956_970


# Not all that Pillow knows: EPS, for one, would be handed to Ghostscript, an interpreter of programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


class ImageError(ValueError):
    """An image that cannot be decoded or cropped; the message names it."""


def decode_image(data: bytes, name: str) -> Image.Image:
    """The picture in `data` as upright RGB: EXIF rotation applied, transparency laid on white, any other mode converted.

    Of an animation the first frame. Colour profiles are not applied. Raises ImageError, naming `name`, for anything that Pillow
    cannot decode to the last pixel, for more than MAX_PIXELS, and for pixels without a defined white.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        _scale_key(image)
        image.load()
        return _rgb(_eight_bits(image))
    except Exception as error:  # Pillow's plugins raise whatever their parsers stumble over
        raise ImageError(
            f"image {name}: cannot be decoded ({error}). Expected a whole PNG, JPEG or WebP file."
        ) from error


def _scale_key(image: Image.Image) -> None:
    """A PNG's colour key is in the file's own levels, and Pillow leaves it so where it stretches 4 or 16 greys to 256. Before loading.

    Raises ValueError for a key among 16-bit colours, of which Pillow keeps the upper halves: neighbours of the key would vanish with it.
    """
    raw = image.tile[0][3] if image.format == "PNG" and image.tile and "transparency" in image.info else ""
    if raw in ("L;2", "L;4"):
        image.info["transparency"] *= 255 // (2 ** int(raw[-1]) - 1)
    if raw == "RGB;16B":
        raise ValueError(
            "a transparent colour among 16-bit colours; save it with an alpha channel, or with 8 bits a channel"
        )


def _rgb(image: Image.Image) -> Image.Image:
    """RGB, transparency laid on white."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image upright, a grey one of more than 8 bits as 8. Pillow's own conversion clips at 255 and gives white.

    Raises ValueError for float and 32-bit pixels, whose white is nowhere defined: a picture must not silently become black.
    """
    upright = ImageOps.exif_transpose(image)
    # Of a deep PGM Pillow makes 65535 white, whatever the file's maximum.
    if image.mode == "I" and image.format == "PPM":
        return scale_grey(np.asarray(upright), 65535)
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(f"{kind} pixels have no defined white; save it with 8 or 16 bits a channel")
    if not image.mode.startswith("I;16"):
        return upright
    # Pillow heeds neither tag at this depth: 262 is 0 where 0 is white, 258 is the number of bits.
    tags = getattr(image, "tag_v2", {})
    values, white = np.asarray(upright).astype(np.int64), 2 ** tags.get(258, (16,))[0] - 1
    grey = scale_grey(white - values if tags.get(262) == 0 else values, white)
    if "transparency" not in image.info:
        return grey
    # A colour key is one of 65536 levels: among 256, its neighbours would vanish with it.
    opaque = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(opaque)))


def scale_grey(values: NDArray, white: int) -> Image.Image:
    """Grey levels 0..`white` as 8 bits: scaled so that white becomes 255, and rounded."""
    return Image.fromarray((values / (white / 255)).round().clip(0, 255).astype(np.uint8))
