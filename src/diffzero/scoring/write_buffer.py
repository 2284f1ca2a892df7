"""Scores between the engine and the store."""

from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.scoring.batch import Batch
from diffzero.scoring.problem import Problem
from diffzero.typing import Ints

Evaluation = tuple[NDArray[np.float32], float]  # scores [triple] and the network seconds per score


class KeyEncoder:
    """Encodes rows as categories of their content keys, without one string per score. Equal images share a key."""

    def __init__(self, keys: list[str]) -> None:
        unique = list(dict.fromkeys(keys))
        position = {key: index for index, key in enumerate(unique)}
        self.codes = np.array([position[key] for key in keys], dtype=np.int32)
        self.dtype = pd.CategoricalDtype(unique)

    def encode(self, rows: Ints) -> pd.Categorical:
        """Return the content keys of some rows."""
        return pd.Categorical.from_codes(self.codes[rows], dtype=self.dtype)


class WriteBuffer:
    """Collects scored batches and hands them to `record` as rows with the columns of chunk.SCHEMA."""

    def __init__(self, problem: Problem, record: Callable[[pd.DataFrame], object]) -> None:
        self.image_keys, self.prompt_keys = KeyEncoder(problem.image_keys), KeyEncoder(problem.prompt_keys)
        self.record: Callable[[pd.DataFrame], object] | None = record
        self.pending: list[tuple[Batch, NDArray[np.float32], float]] = []

    def __len__(self) -> int:
        """Return the number of pending scores."""
        return sum(len(scores) for _, scores, _ in self.pending)

    def add(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> None:
        """Add the scores [triple] of a batch and the network seconds per score."""
        self.pending.append((batch, scores, seconds))

    def add_late(self, batch: Batch, future: Future[Evaluation]) -> None:
        """Wait for a batch that was in flight when the run ended, and add its scores if all are finite.

        A batch is stored completely or not at all, because a resumed run must form exactly the batches that were lost.
        """
        if self.record is None or future.cancel():
            return
        try:
            scores, seconds = future.result()
        except Exception:  # the error that ended the run is the one to report
            return
        if np.isfinite(scores).all():
            self.add(batch, scores, seconds)

    def flush(self) -> None:
        """Hand all pending scores to `record`."""
        if not self.pending or self.record is None:
            return
        scores, record = self._to_frame(), self.record
        # If `record` fails, later calls do nothing: a second failure would hide the first error.
        self.pending, self.record = [], None
        record(scores)
        self.record = record

    def _to_frame(self) -> pd.DataFrame:
        batches = [batch for batch, _, _ in self.pending]
        counts = [len(scores) for _, scores, _ in self.pending]
        return pd.DataFrame(
            {
                "image": self.image_keys.encode(np.concatenate([batch.image for batch in batches])),
                "prompt": self.prompt_keys.encode(np.concatenate([batch.prompt for batch in batches])),
                "draw": np.concatenate([batch.draw for batch in batches]).astype(np.int32),
                "score": np.concatenate([scores for _, scores, _ in self.pending]),
                "seconds": np.repeat(np.array([seconds for _, _, seconds in self.pending], dtype=np.float32), counts),
            }
        )
