"""Handwritten digits: the UCI test set that is part of scikit-learn (8 x 8 pixels, 17 grey levels, 1797 images)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from diffzero.data.sources.base import Source, TestSet

if TYPE_CHECKING:
    import pandas as pd

    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe

N_IMAGES, N_TEST_IMAGES = 1797, 500


class Digits(Source):
    """The handwritten digits that are part of scikit-learn."""

    kind: Literal["digits"]
    """scikit-learn's digits without those on which the mini models are trained."""

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return the test images, named `digit-0000` by their row in scikit-learn's table."""
        table = load_digit_table()
        data = dict(zip(table["image"], table["bytes"], strict=True))
        return TestSet(list(data), table["label"].tolist(), lambda names: {name: data[name] for name in names})

    def describe(self) -> str:
        """Return the name of the library."""
        return "scikit-learn's digits"

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return that the images are available: they are installed with scikit-learn."""
        from diffzero.download.probe import Availability

        return Availability(is_local=True, size=0)


def test_rows() -> NDArray[np.int64]:
    """Return the row numbers of the images on which no mini model is trained, ascending."""
    order = np.random.Generator(np.random.Philox(key=N_IMAGES)).permutation(N_IMAGES)
    return np.sort(order[:N_TEST_IMAGES])


def encode_digit(grey: NDArray[np.float64]) -> bytes:
    """Return one digit, levels 0 to 16 [8, 8], as an 8-bit grey PNG."""
    from diffzero.data.transforms import encode_png

    return encode_png((grey * (255 / 16)).round().astype(np.uint8))


def load_digit_table() -> pd.DataFrame:
    """Return the test images: columns `image` (name, str), `bytes` (PNG, bytes) and `label` (0 to 9, int64)."""
    import pandas as pd
    from sklearn.datasets import load_digits

    digits, rows = load_digits(), test_rows()
    return pd.DataFrame(
        {
            "image": [f"digit-{row:04d}" for row in rows],
            "bytes": [encode_digit(digits.images[row]) for row in rows],
            "label": digits.target[rows].astype(np.int64),
        }
    )
