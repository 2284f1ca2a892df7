"""Batches that do not fit: evaluated in pieces, so that a full memory costs time and not the run."""

import gc
import logging
import re
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

log = logging.getLogger(__name__)

# What `batch_size: auto` asks for. On a GPU the memory then decides, by halving; a CPU is busy with far less.
AUTO_BATCH_SIZE = {"cuda": 512, "cpu": 32}


class BatchTooLargeError(RuntimeError):
    """Not even one call fits in memory."""


def choose_batch_size(asked: int | Literal["auto"], device: torch.device) -> int:
    """The number of calls to compose into a batch.

    A function of the kind of device alone, never of a measurement: a resumed run must form the very batches that were lost.
    """
    return AUTO_BATCH_SIZE[device.type] if asked == "auto" else asked


# How the host's allocator, the CUDA driver, cuBLAS and cuDNN say it, which torch hands on as plain errors.
SHORTAGE = re.compile(r"can't allocate memory|CUDA error: out of memory|CU(BLAS|DNN)_STATUS_\w*ALLOC\w*FAILED")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, a library on it or the host's allocator had too little memory."""
    return isinstance(error, torch.OutOfMemoryError) or SHORTAGE.search(str(error)) is not None


class MicroBatcher:
    """Evaluates batches whole or, once memory has run out, in pieces of a size that fits.

    What is in a batch does not change with it, so neither do the triples evaluated nor the order in which they are stored.
    """

    def __init__(self, size: int) -> None:
        self.size = size  # calls at once; halved at every shortage, for good

    def evaluate(self, scores_of: Callable[[slice], NDArray[np.float32]], count: int) -> NDArray[np.float32]:
        """Scores [count]: those of `scores_of(rows)`, joined. Raises BatchTooLargeError when one row alone is too many."""
        done: list[NDArray[np.float32]] = []
        start = 0
        while start < count:
            rows = slice(start, min(start + self.size, count))
            scores = self._attempt(scores_of, rows)
            if scores is None:
                self._halve(rows.stop - rows.start)
            else:
                done.append(scores)
                start = rows.stop
        return np.concatenate(done)

    @staticmethod
    def _attempt(scores_of: Callable[[slice], NDArray[np.float32]], rows: slice) -> NDArray[np.float32] | None:
        try:
            return scores_of(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Not in the handler: the exception holds the frames, and they the tensors, that must be freed first.
        return None

    def _halve(self, tried: int) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried == 1:
            raise BatchTooLargeError(
                "memory: not even one call of the network fits, expected room for a batch. Set `dtype: bfloat16` or `float16` "
                "in the model's YAML, or use a device with more memory."
            )
        self.size = tried // 2
        log.warning("memory: %d calls at once did not fit; going on with %d.", tried, self.size)
