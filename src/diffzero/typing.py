"""Type aliases that several packages share. Imports no PyTorch, so scripts that load no network stay light."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]  # inputs of a network by name, each [prompt, ...] or [image, ...]
Floats = NDArray[np.float64]
