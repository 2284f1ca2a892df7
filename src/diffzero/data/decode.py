"""Decode image files to upright 8-bit RGB.

Pillow's own conversion of deep images is not used: it clips 16-bit greys at 255, which gives a white image, ignores the white
level and bit depth that a deep TIFF states, and compares a PNG's transparent grey with levels of another depth.
"""

import io
import re
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# The size above which Pillow itself raises an error by default. The largest photograph of the thirteen data sets has 42 million.
MAX_PIXELS = 178_956_970
# Pictures that Pillow, with pillow-heif, recognises by their first bytes. Not EPS, which Pillow passes to Ghostscript, which executes
# programs; not icons, stubs of scientific formats, and formats without a signature (TGA).
IMAGE_FORMATS = (
    *("PNG", "JPEG", "WEBP", "AVIF", "HEIF", "JPEG2000", "BMP", "GIF", "TIFF", "PPM"),
    *("QOI", "PSD", "PCX", "SGI", "SUN"),
)
HEAD_BYTES = 64  # of a file, from which its format is recognised
POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer; run `git lfs pull`",
    b"/annex/objects/": "a git-annex pointer; run `git annex get`",
}
# TIFF tags.
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO, SUBFILE_TYPE, REDUCED = 258, 262, 0, 254, 1


class ImageError(ValueError):
    """An image cannot be decoded; the message names it.

    Parameters
    ----------
    message : str
        The message.
    reason : str
        The reason alone, for lists of several images.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


@cache
def _load_formats() -> None:
    """Load the plugins of all formats. pillow-heif is imported here: jobs that decode no image do not need it."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.init()


@cache
def _signature_tests() -> dict[str, Callable[[bytes], bool | str] | None]:
    _load_formats()
    return {name: Image.OPEN[name][1] for name in IMAGE_FORMATS}


def find_format(head: bytes) -> str | None:
    """Return the format of a file that begins with `head`, one of IMAGE_FORMATS; None for anything but an image.

    The file may still be damaged: only its first bytes are known.
    """
    for name, has_signature in _signature_tests().items():
        # Two bytes are enough for these two, and a text may begin with them.
        is_text = name in ("BMP", "PPM") and all(byte in b"\t\n\f\r" or 32 <= byte < 127 for byte in head)
        if is_text and not (name == "PPM" and head[2:3].isspace()):
            continue
        try:
            if has_signature and has_signature(head[:16]) is True:
                return name
        except (IndexError, struct.error):  # of a file that is shorter than a signature
            continue
    return None


def find_pointer(head: bytes) -> str:
    """Return what stands in place of a file whose content was not fetched, with the command that fetches it; "" for other files."""
    return next((advice for start, advice in POINTERS.items() if head.startswith(start)), "")


def decode_image(data: bytes, name: str) -> Image.Image:
    """Decode an image to upright RGB: EXIF rotation is applied, transparency becomes white, other modes are converted.

    Only the first frame of an animation is used. Colour profiles are not applied.

    Parameters
    ----------
    data : bytes
        A file in one of IMAGE_FORMATS.
    name : str
        Name of the image, for the message.

    Raises
    ------
    ImageError
        Pillow cannot decode every pixel, there are more than MAX_PIXELS, or it is not defined which value is white.
    """
    _load_formats()
    try:
        image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        _refuse_thumbnail(image, data)
        _scale_transparent_grey(image)
        image.load()
        return _to_rgb(_to_eight_bits(image))
    except Exception as error:  # Pillow's plugins raise many kinds of errors for broken files
        said = re.sub(r" <_io\..*?>", "", str(error)) or type(error).__name__
        reason = find_pointer(data) or (said if data else "no bytes")
        expected = "Expected a complete PNG, JPEG or WebP file, or another image that Pillow decodes"
        raise ImageError(f"image {name}: cannot be decoded ({reason}). {expected}.", reason) from error


def find_defect(data: bytes) -> str:
    """Return the reason why an image cannot be decoded; "" if it can."""
    try:
        decode_image(data, "")
    except ImageError as error:
        return error.reason
    return ""


def _refuse_thumbnail(image: Image.Image, data: bytes) -> None:
    """Raise ValueError for a camera's raw file: it is a TIFF whose first image, which Pillow would return, is a small preview."""
    is_preview = getattr(image, "tag_v2", {}).get(SUBFILE_TYPE, 0) == REDUCED
    if image.format == "TIFF" and (is_preview or data[8:10] == b"CR"):
        raise ValueError("a raw file of a camera, whose first image is a preview; convert it to PNG, JPEG or TIFF")


def _scale_transparent_grey(image: Image.Image) -> None:
    """Scale a PNG's transparent grey as Pillow scales its pixels: 4 or 16 greys become 256. Must be called before the pixels are loaded.

    Raises ValueError for a transparent colour among 16-bit colours: Pillow keeps the upper bytes only, so that similar colours would
    become transparent, too.
    """
    tiles = getattr(image, "tile", None)
    raw_mode = tiles[0][3] if image.format == "PNG" and tiles and "transparency" in image.info else ""
    if raw_mode in ("L;2", "L;4"):
        image.info["transparency"] *= 255 // (2 ** int(raw_mode[-1]) - 1)
    if raw_mode == "RGB;16B":
        raise ValueError(
            "a transparent colour among 16-bit colours; save it with an alpha channel, or with 8 bits per channel"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Return the image upright, with deep greys scaled to 8 bits. Raises ValueError for float and 32-bit pixels."""
    upright = ImageOps.exif_transpose(image)
    # Pillow scales a deep PGM so that 65535 is white, regardless of the file's maximum.
    if image.mode == "I" and image.format == "PPM":
        return scale_grey(np.asarray(upright), 65535)
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(f"{kind} pixels have no defined white; save it with 8 or 16 bits per channel")
    if not image.mode.startswith("I;16"):
        return upright
    tags = getattr(image, "tag_v2", {})
    values, white = np.asarray(upright).astype(np.int64), 2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1
    grey = scale_grey(white - values if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else values, white)
    if "transparency" not in image.info:
        return grey
    # The transparent grey is one of 65536 levels. Among 256 levels, similar greys would become transparent, too.
    opaque = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(opaque)))


def scale_grey(values: NDArray[np.integer], white: int) -> Image.Image:
    """Return grey levels from 0 to `white` as 8 bits: scaled so that white becomes 255, and rounded."""
    return Image.fromarray((values / (white / 255)).round().clip(0, 255).astype(np.uint8))
