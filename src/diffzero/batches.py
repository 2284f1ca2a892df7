"""Batches of triples on their way to the denoiser, and the labels under which their scores are stored."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.runners import Runner


@dataclass(frozen=True)
class Batch:
    """Triples for one call of the denoiser, those of one image next to each other."""

    runners: list[Runner]  # the images concerned
    bounds: NDArray[np.int64]  # [runner + 1] where each one's triples begin
    image: NDArray[np.int64]  # [triple] row of the problem's images
    cell: NDArray[np.int64]  # [triple] where the runner keeps the score
    draw: NDArray[np.int64]  # [triple]
    prompt: NDArray[np.int64]  # [triple]
    pair: NDArray[np.int64]  # [triple] index into `x_t`: triples of one shared draw point at one x_t
    x_t: torch.Tensor  # [pair, *x] fp32
    t: NDArray[np.float64]  # [pair]


class Names:
    """Content keys that scores are labelled with, without a string a score. Two images that are equal byte for byte share one."""

    def __init__(self, keys: list[str]) -> None:
        unique = list(dict.fromkeys(keys))
        position = {key: index for index, key in enumerate(unique)}
        self.codes = np.array([position[key] for key in keys], dtype=np.int32)
        self.dtype = pd.CategoricalDtype(unique)

    def __call__(self, rows: NDArray[np.int64]) -> pd.Categorical:
        """The keys of these rows."""
        return pd.Categorical.from_codes(self.codes[rows], dtype=self.dtype)
