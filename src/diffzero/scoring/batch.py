"""Batches of triples on their way to the denoiser, and the labels under which their scores are stored."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.scoring.image_state import ImageState
from diffzero.scoring.problem import Problem


@dataclass(frozen=True)
class Batch:
    """Triples for one call of the denoiser, those of one image next to each other."""

    states: list[ImageState]  # the images concerned
    bounds: NDArray[np.int64]  # [runner + 1] where each one's triples begin
    image: NDArray[np.int64]  # [triple] row of the problem's images
    cell: NDArray[np.int64]  # [triple] where the runner keeps the score
    draw: NDArray[np.int64]  # [triple]
    prompt: NDArray[np.int64]  # [triple]
    pair: NDArray[np.int64]  # [triple] index into `x_t`: triples of one shared draw point at one x_t
    x_t: torch.Tensor  # [pair, *x] fp32
    t: NDArray[np.float64]  # [pair]


class KeyEncoder:
    """Content keys that scores are labelled with, without a string a score. Two images that are equal byte for byte share one."""

    def __init__(self, keys: list[str]) -> None:
        unique = list(dict.fromkeys(keys))
        position = {key: index for index, key in enumerate(unique)}
        self.codes = np.array([position[key] for key in keys], dtype=np.int32)
        self.dtype = pd.CategoricalDtype(unique)

    def __call__(self, rows: NDArray[np.int64]) -> pd.Categorical:
        """The keys of these rows."""
        return pd.Categorical.from_codes(self.codes[rows], dtype=self.dtype)


class WriteBuffer:
    """Batches that have been scored, on their way to `record` as rows with the columns of store.Store."""

    def __init__(self, problem: Problem, record: Callable[[pd.DataFrame], None]) -> None:
        self.image_key, self.prompt_key = KeyEncoder(problem.image_keys), KeyEncoder(problem.prompt_keys)
        self.record: Callable[[pd.DataFrame], None] | None = record
        self.pending: list[tuple[Batch, NDArray[np.float32], float]] = []

    def __len__(self) -> int:
        """Scores that wait."""
        return sum(len(scores) for _, scores, _ in self.pending)

    def add(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> None:
        """Take a batch's scores, and the network's seconds for each."""
        self.pending.append((batch, scores, seconds))

    def add_late(self, batch: Batch, future: Future) -> None:
        """Wait for a batch that was under way when the run ended, and take its scores if all are good.

        A batch is taken whole or not at all: the run that goes on must form the very batches that this one lost.
        """
        if self.record is None or future.cancel():
            return
        try:
            scores, seconds = future.result()
        except Exception:  # the error that ended the run is the one to be told
            return
        if np.isfinite(scores).all():
            self.add(batch, scores, seconds)

    def flush(self) -> None:
        """Hand over what waits."""
        if not self.pending or self.record is None:
            return
        scores, record = self.to_frame(), self.record
        # What failed to be stored is not tried again on the way out, hiding the first error.
        self.pending, self.record = [], None
        record(scores)
        self.record = record

    def to_frame(self) -> pd.DataFrame:
        """What waits, as rows."""
        batches = [batch for batch, _, _ in self.pending]
        counts = [len(scores) for _, scores, _ in self.pending]
        return pd.DataFrame(
            {
                "image": self.image_key(np.concatenate([batch.image for batch in batches])),
                "prompt": self.prompt_key(np.concatenate([batch.prompt for batch in batches])),
                "draw": np.concatenate([batch.draw for batch in batches]).astype(np.int32),
                "score": np.concatenate([scores for _, scores, _ in self.pending]),
                "seconds": np.repeat(np.float32([seconds for _, _, seconds in self.pending]), counts),
            }
        )
