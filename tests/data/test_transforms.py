"""Cropping and resizing of images."""

import hashlib
import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffzero.data.transforms import central_crop, crop_image, crop_images, encode_png


def file(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """Return an image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def picture(width: int, height: int) -> np.ndarray:
    """Return a smooth image with fine detail, from integer arithmetic only, so that it is the same with every build of NumPy."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 7 + y * 3) % 256, (x * y) % 256, ((x // 3 + y // 2) % 2) * 200], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1)])
def test_an_image_of_one_pixel_width_becomes_its_central_pixel(size):
    pixels = picture(*size)
    middle = pixels[(size[1] - 1) // 2, (size[0] - 1) // 2]
    assert (crop_image(file(Image.fromarray(pixels)), "thin", 8) == middle).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_crop_is_the_largest_central_square(width, height):
    square = np.asarray(central_crop(Image.fromarray(picture(width, height))))
    side = min(width, height)
    assert square.shape == (side, side, 3)
    before = (width - side) // 2, (height - side) // 2
    after = width - side - before[0], height - side - before[1]
    assert all(late - early in (0, 1) for early, late in zip(before, after, strict=True))
    expected = picture(width, height)[before[1] : height - after[1], before[0] : width - after[0]]
    assert np.array_equal(square, expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_an_image_of_any_size_gets_the_requested_size(width, height, size):
    pixels = crop_image(file(Image.fromarray(picture(width, height))), "any", size)
    assert pixels.shape == (size, size, 3) and pixels.dtype == np.uint8


def test_a_square_of_the_requested_size_is_unchanged():
    pixels = picture(24, 24)
    assert np.array_equal(crop_image(file(Image.fromarray(pixels)), "same", 24), pixels)


def test_images_are_cropped_before_they_are_resized():
    image = Image.fromarray(picture(90, 60))
    ours = crop_image(file(image), "wide", 32)
    # torchvision's Resize(32) and CenterCrop(32) resize first.
    other = np.asarray(image.resize((48, 32), Image.Resampling.BICUBIC).crop((8, 0, 40, 32)))
    assert np.abs(ours.astype(int) - other).max() > 8
    # In the order of the paper, pixels outside the central square have no influence.
    masked = picture(90, 60)
    masked[:, :15], masked[:, 75:] = 0, 255
    assert np.array_equal(crop_image(file(Image.fromarray(masked)), "masked", 32), ours)


def test_shrinking_averages_the_pixels():
    board = ((np.indices((64, 64)).sum(axis=0) % 2) * 255).astype(np.uint8)
    assert np.abs(crop_image(file(Image.fromarray(board)), "board", 8).astype(int) - 127).max() <= 1


def test_downsample_to_removes_detail():
    data = file(Image.fromarray(picture(100, 80)))
    small = crop_image(data, "small", 16)
    assert np.array_equal(
        crop_image(data, "downsampled", 48, downsample_to=16), crop_image(file(Image.fromarray(small)), "small", 48)
    )
    assert not np.array_equal(crop_image(data, "downsampled", 48, downsample_to=16), crop_image(data, "direct", 48))
    assert np.array_equal(crop_image(data, "downsampled", 16, downsample_to=16), small)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_png_keeps_every_pixel(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


@pytest.mark.parametrize(
    ("width", "height", "size", "downsample_to", "sha256"),
    [
        (90, 61, 32, None, "0ffc87cc70e411183e21f86cc7c2d3b2154da794a7b9b9c6b72e1f69a07cec62"),
        (61, 90, 24, None, "4357dedcee5b5c14289dcb62234c66ce5a14a1adfbcb094d97fc98b29ca54e31"),
        (17, 17, 64, None, "3eb9154597653a7145d0e5ddde9be3f5457ec37e7bf659b42afef2d78966e092"),
        (200, 150, 64, 32, "2f37f29d42fcd13614287f183d357fccb072e33a9ea46620e42569c4955d67b5"),
    ],
)
def test_pixels_equal_those_of_the_pinned_pillow(width, height, size, downsample_to, sha256):
    """The digests were stored with Pillow 13.0.0. If a new Pillow changes them, raise SCORING_VERSION with it."""
    pixels = crop_image(file(Image.fromarray(picture(width, height))), "reference", size, downsample_to)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == sha256


def test_all_crops_are_in_memory_only_once():
    table = pd.DataFrame({"image": ["a"] * 40, "bytes": [encode_png(picture(64, 64))] * 40})
    tracemalloc.start()
    found = crop_images(table, 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found[39], crop_image(encode_png(picture(64, 64)), "a", 128)) and peak < 1.3 * found.nbytes
