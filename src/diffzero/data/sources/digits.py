"""Handwritten digits: the UCI test set that ships inside scikit-learn (8 x 8 pixels, 17 grey levels, 1797 images)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from diffzero.data.transforms import encode_png

TEST_IMAGES = 500


def test_rows() -> NDArray[np.int64]:
    """Row numbers of the images that no mini model is trained on, ascending."""
    order = np.random.Generator(np.random.Philox(key=1797)).permutation(1797)
    return np.sort(order[:TEST_IMAGES])


def digit_png(grey: NDArray[np.float64]) -> bytes:
    """One digit [8, 8] with levels 0..16 as the bytes of an 8-bit grey PNG."""
    return encode_png((grey * (255 / 16)).round().astype(np.uint8))


def load() -> pd.DataFrame:
    """The test images: columns image (name), bytes (PNG), label (0..9)."""
    digits, rows = load_digits(), test_rows()
    return pd.DataFrame(
        {
            "image": [f"digit-{row:04d}" for row in rows],
            "bytes": [digit_png(digits.images[row]) for row in rows],
            "label": digits.target[rows].astype(np.int64),
        }
    )
