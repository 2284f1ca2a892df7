"""The progress and the result of a run of the engine."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from diffzero.pruning.race import Outcome
from diffzero.scoring.image_state import UsedScores

DTYPES = {"draw": np.int32, "prompt": np.int32, "t": np.float64, "score": np.float32}


@dataclass
class Progress:
    """The work done so far; passed to `report` after every batch."""

    images: int  # total
    images_done: int = 0
    calls: int = 0
    reused: int = 0  # stored scores that the races of finished images used
    seconds: float = 0.0


@dataclass
class ScoringResult:
    """The scores that the races consumed, by image name, and the outcomes, by item name."""

    scores: dict[str, UsedScores] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return the score table: the same rows for every batch size and order of evaluation.

        Returns
        -------
        DataFrame
            image (str, name), draw (int32), prompt (int32, row of the prompts), t (float64), score (float32); sorted by image, draw,
            prompt.
        """
        names = sorted(self.scores)
        counts = [len(self.scores[name].draw) for name in names]
        columns = {
            # The empty array: a shard has no images where there are fewer images than shards.
            column: np.concatenate([np.empty(0, dtype), *(getattr(self.scores[name], column) for name in names)])
            for column, dtype in DTYPES.items()
        }
        return pd.DataFrame({"image": pd.array(names, dtype="str").repeat(counts), **columns})

    @property
    def network_seconds(self) -> float:
        """The network time of all these scores, whenever they were computed."""
        return float(sum(used.seconds.sum(dtype=np.float64) for used in self.scores.values()))
