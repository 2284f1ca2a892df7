"""Decoding of images to upright RGB."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from diffzero.data.decode import ImageError, decode_image
from diffzero.data.transforms import crop_image

RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)


def file(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """Return an image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> np.ndarray:
    image = decode_image(data, "picture")
    assert image.mode == "RGB"
    return np.asarray(image)


def picture(width: int, height: int) -> np.ndarray:
    """Return a smooth image with fine detail, from integer arithmetic only, so that it is the same with every build of NumPy."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 7 + y * 3) % 256, (x * y) % 256, ((x // 3 + y // 2) % 2) * 200], axis=-1).astype(np.uint8)


def test_rgb_is_unchanged():
    pixels = picture(9, 6)
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(decoded(file(Image.fromarray(pixels), kind)), pixels)


def test_grey_and_black_and_white_become_three_equal_channels():
    grey = picture(9, 6)[..., 0]
    assert np.array_equal(decoded(file(Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=2))
    bits = decoded(file(Image.fromarray(grey > 100)))
    assert np.array_equal(bits, np.repeat(np.where(grey > 100, 255, 0)[..., None], 3, axis=2))


def test_a_palette_is_converted_and_transparency_becomes_white():
    palette = Image.new("P", (3, 1))
    palette.putpalette([*RED, *GREEN, 0, 0, 255])
    palette.putdata([0, 1, 2])
    assert decoded(file(palette)).tolist() == [[list(RED), list(GREEN), [0, 0, 255]]]
    assert decoded(file(palette, transparency=1)).tolist() == [[list(RED), list(WHITE), [0, 0, 255]]]
    assert decoded(file(palette, "GIF", transparency=1)).tolist() == [[list(RED), list(WHITE), [0, 0, 255]]]
    # half of the opacity of green; one byte per entry
    assert decoded(file(palette, transparency=bytes([255, 128, 0])))[0, 1].tolist() == [127, 191, 127]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_rgba_becomes_white(kind):
    pixels = np.array([[[*RED, 255], [*RED, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert decoded(file(Image.fromarray(pixels), kind, **options)).tolist() == [[list(RED), list(WHITE), [204] * 3]]


def test_transparent_greys_and_transparent_colours_become_white():
    both = Image.merge("LA", (Image.new("L", (2, 1), 100), Image.fromarray(np.array([[255, 0]], dtype=np.uint8))))
    assert decoded(file(both)).tolist() == [[[100] * 3, [255] * 3]]
    keyed = Image.fromarray(np.array([[RED, GREEN]], dtype=np.uint8))
    assert decoded(file(keyed, transparency=GREEN)).tolist() == [[list(RED), list(WHITE)]]
    grey = Image.fromarray(np.array([[7, 9]], dtype=np.uint8))
    assert decoded(file(grey, transparency=9)).tolist() == [[[7] * 3, [255] * 3]]


def test_cmyk_is_converted_as_ink_on_white_paper():
    inks = np.zeros((8, 8, 4), dtype=np.uint8)
    inks[:, :4, 1:3] = 255  # magenta and yellow: red
    pixels = decoded(file(Image.fromarray(inks, "CMYK"), "TIFF"))
    assert pixels[0, 0].tolist() == list(RED) and pixels[0, 7].tolist() == list(WHITE)
    jpeg = decoded(file(Image.fromarray(inks, "CMYK"), "JPEG", quality=95)).astype(int)
    assert np.abs(jpeg[4, 0] - RED).max() < 20 and np.abs(jpeg[4, 7] - WHITE).max() < 20


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greys_are_scaled(kind):
    image = Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16))
    assert image.mode == "I;16"
    assert decoded(file(image, kind))[0, :, 0].tolist() == [0, 1, 128, 255]


def tiff(values: np.ndarray, order: str, bits: int, photometric: int = 1, format: int = 1) -> bytes:
    """Return a grey TIFF of a kind that Pillow cannot write. `photometric` 0: white is zero."""
    data, (height, width) = values.astype(values.dtype.newbyteorder(order)).tobytes(), values.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, height)]
    tags += [(279, len(data)), (339, format)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("order", "<>")
def test_16_bit_tiffs_are_scaled_in_either_byte_order(order):
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    assert decoded(tiff(values, order, 16))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_white_is_zero_is_respected_at_any_depth():
    assert decoded(tiff(np.array([[0, 255]], np.uint8), "<", 8, photometric=0))[0, :, 0].tolist() == [255, 0]
    assert decoded(tiff(np.array([[0, 65535]], np.uint16), "<", 16, photometric=0))[0, :, 0].tolist() == [255, 0]


def test_12_bit_greys_are_scaled_by_their_own_white():
    packed = np.frombuffer(bytes([0x00, 0x0F, 0xFF, 0x80, 0x00, 0x00]), np.uint8)  # 000 FFF 800 000
    data = tiff(packed[None], "<", 12)
    head, tags = data[: 8 + len(packed)], data[8 + len(packed) :]
    tags = tags.replace(struct.pack("<HHII", 256, 4, 1, 6), struct.pack("<HHII", 256, 4, 1, 4))
    assert decoded(head + tags)[0, :, 0].tolist() == [0, 255, 128, 0]


@pytest.mark.parametrize("maximum", [65535, 4095])
def test_deep_pgm_files_are_scaled(maximum):
    values = np.array([0, maximum // 2, maximum], ">u2").tobytes()
    assert decoded(b"P5 3 1 %d\n" % maximum + values)[0, :, 0].tolist() in ([0, 127, 255], [0, 128, 255])


def test_a_transparent_16_bit_grey_does_not_affect_similar_greys():
    grey = Image.fromarray(np.array([[1000, 1001, 65535]], dtype=np.uint16))
    assert decoded(file(grey, transparency=1000)).tolist() == [[[255] * 3, [4] * 3, [255] * 3]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_grey_is_one_of_the_levels_of_the_file(bits):
    levels = 2**bits
    row = np.array([0, levels - 1, 1, levels - 1], dtype=np.uint8)
    packed = np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).ravel()).tobytes()
    data = png_file(4, 1, bits, 0, b"\0" + packed, struct.pack(">H", 1))
    grey = [int(level) * 255 // (levels - 1) for level in row]
    assert decoded(data)[0, :, 0].tolist() == [
        255 if level == 1 else shown for level, shown in zip(row, grey, strict=True)
    ]


@pytest.mark.parametrize("key", [(0, 0, 0), (257, 257, 257)])
def test_a_transparent_colour_among_16_bit_colours_is_refused(key):
    data = png_file(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 1, 1, 1), struct.pack(">HHH", *key))
    with pytest.raises(ImageError, match="a transparent colour among 16-bit colours"):
        decode_image(data, "picture")


def png_file(width: int, height: int, bits: int, colour: int, rows: bytes, key: bytes | None = None) -> bytes:
    """Return a PNG with these filtered rows, and with a transparent colour if `key` is given."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    keyed = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + head + keyed + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(pixels: np.ndarray, colour: int) -> bytes:
    """Return a 16-bit PNG, which Pillow cannot write. `colour`: 2 RGB, 4 grey and alpha, 6 RGBA."""
    height, width = pixels.shape[:2]
    return png_file(width, height, 16, colour, b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels))


def test_16_bit_colours_and_alpha_are_scaled():
    rgb = picture(9, 6).astype(np.uint16) * 257
    assert np.array_equal(decoded(png16(rgb, 2)), picture(9, 6))
    white, black, half = [65535, 65535], [0, 65535], [0, 32896]
    assert decoded(png16(np.array([[white, black, half]]), 4))[0, :, 0].tolist() == [255, 0, 127]
    assert decoded(png16(np.array([[[65535, 0, 0, 65535], [0, 0, 0, 0]]]), 6)).tolist() == [[list(RED), list(WHITE)]]


@pytest.mark.parametrize(("dtype", "format"), [(np.float32, 3), (np.int32, 2), (np.uint32, 1), (np.int16, 2)])
@pytest.mark.parametrize("scale", [1, 255, 65535])
def test_pixels_without_a_defined_white_are_refused(dtype, format, scale):
    values = np.array([[0, 0.5 * scale, min(scale, 32767 if dtype is np.int16 else scale)]]).astype(dtype)
    with pytest.raises(ImageError, match="image dark: cannot be decoded .*no defined white"):
        decode_image(tiff(values, "<", 8 * values.itemsize, format=format), "dark")


def test_lab_colours_are_converted():
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(Image.new("RGB", (4, 4), RED), srgb, lab, outputMode="LAB")
    assert np.abs(decoded(file(image, "TIFF"))[0, 0].astype(int) - RED).max() <= 6


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, GREEN, "blue")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = file(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert (decoded(data) == RED).all()


def test_a_huge_image_is_refused_before_it_is_decompressed():
    # 60 kB that declare three thousand million pixels
    rows = zlib.compress(bytes(60_000_000), 9)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 50_000, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="image bomb: cannot be decoded .*3000000000 pixels"):
        decode_image(data, "bomb")


def test_an_image_above_our_limit_is_refused_even_if_pillow_has_no_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr("diffzero.data.decode.MAX_PIXELS", 50)
    with pytest.raises(ImageError, match=r"image large: cannot be decoded \(9 x 6 pixels, more than 50\)"):
        decode_image(file(Image.fromarray(picture(9, 6))), "large")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = np.zeros((24, 16, 3), dtype=np.uint8)
    upright[:8, :8], upright[16:, 8:] = RED, (0, 0, 255)  # top left, bottom right
    # By the EXIF standard: the sides of the scene that are the first row and the first column of the file.
    stored = {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.transpose(1, 0, 2),  # left, top
        6: upright[:, :].transpose(1, 0, 2)[::-1],  # right, top
        7: upright[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
        8: upright.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(file(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif))
    assert np.array_equal(pixels, upright)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_truncated_file_is_named(kind):
    data = file(Image.fromarray(picture(40, 30)), kind)
    for part in (0.1, 0.5, 0.9):
        with pytest.raises(ImageError, match="image n01440764/7.jpg: cannot be decoded"):
            decode_image(data[: int(part * len(data))], "n01440764/7.jpg")


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"<html>404</html>", bytes(1000)])
def test_a_file_that_is_not_an_image_is_named(data):
    with pytest.raises(ImageError, match="image cat: cannot be decoded .* Expected a complete PNG, JPEG or WebP"):
        crop_image(data, "cat", 8)


def test_an_eps_image_is_not_executed():
    with pytest.raises(ImageError, match="cannot identify image file"):
        crop_image(file(Image.new("RGB", (8, 8)), "EPS"), "a", 8)
