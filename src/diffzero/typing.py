"""Type aliases that several packages share. Imports no PyTorch, so that scripts without a network stay light."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]  # inputs of a network by name, each [prompt, ...] or [image, ...]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]  # images [image, height, width, 3]
WeightFn = Callable[[Floats], Floats]  # times t [n] -> weights w_t [n] of the loss
