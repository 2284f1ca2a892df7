"""Batches that do not fit in memory are evaluated in parts.

accelerate.utils.find_executable_batch_size is not used: it empties the device's cache before every call, discards the parts that did
fit, and does not recognise the allocation errors of cuBLAS and cuDNN.
"""

import gc
import logging
import re
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

log = logging.getLogger(__name__)

# `batch_size: auto`, by kind of device. MicroBatcher halves it on a GPU with too little memory; a CPU is saturated by far less.
AUTO_BATCH_SIZE = {"cuda": 512, "cpu": 32}
# The messages of the host allocator, the CUDA driver, cuBLAS and cuDNN, which torch raises as plain RuntimeErrors.
OUT_OF_MEMORY = re.compile(r"can't allocate memory|CUDA error: out of memory|CU(BLAS|DNN)_STATUS_\w*ALLOC\w*FAILED")


class BatchTooLargeError(RuntimeError):
    """Not even a single call fits in memory."""


def choose_batch_size(configured: int | Literal["auto"], device: torch.device) -> int:
    """Return the number of calls per batch.

    The result depends on the kind of device and never on a measurement, because a resumed run must form the same batches.
    """
    return AUTO_BATCH_SIZE[device.type] if configured == "auto" else configured


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error means that the device, one of its libraries or the host ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or OUT_OF_MEMORY.search(str(error)) is not None


class MicroBatcher:
    """Evaluates a batch at once or, after memory has run out, in parts that fit.

    The content of a batch does not change, and neither do the triples evaluated nor the order in which they are stored.

    Parameters
    ----------
    size
        Calls to evaluate at once; halved whenever memory runs out, and never increased again.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def evaluate(self, score_rows: Callable[[slice], NDArray[np.float32]], count: int) -> NDArray[np.float32]:
        """Return the concatenated results of `score_rows` for the rows of a batch.

        Parameters
        ----------
        score_rows
            Returns the scores [row] of some rows.
        count
            Rows of the batch.

        Raises
        ------
        BatchTooLargeError
            If a single row does not fit.
        """
        parts: list[NDArray[np.float32]] = []
        start = 0
        while start < count:
            rows = slice(start, min(start + self.size, count))
            scores = self._try(score_rows, rows)
            if scores is None:
                self._halve(rows.stop - rows.start)
            else:
                parts.append(scores)
                start = rows.stop
        return np.concatenate(parts)

    @staticmethod
    def _try(score_rows: Callable[[slice], NDArray[np.float32]], rows: slice) -> NDArray[np.float32] | None:
        """Return the scores of some rows, or None if memory runs out."""
        try:
            return score_rows(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: the exception refers to the stack frames and thus to the tensors that must be freed first.
        return None

    def _halve(self, tried: int) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried == 1:
            raise BatchTooLargeError(
                "memory: found too little for a single call of the network, expected enough for a batch. Set `dtype: bfloat16` or "
                "`float16` in the model's YAML, or use a device with more memory, and re-run the same command."
            )
        self.size = tried // 2
        log.warning("Out of memory with %d calls at once; continuing with %d.", tried, self.size)
