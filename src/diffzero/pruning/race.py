"""Races: which classes of one image are still candidates, and which scores the next decision needs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffzero.pruning.policies import Policy
from diffzero.typing import Floats


@dataclass(frozen=True)
class Outcome:
    """How a race ended; classes are column numbers of the race."""

    winner: int
    draws: int
    calls: int
    undecided: bool  # more than one class left at max_scores
    tied: bool  # the winner's mean equals another survivor's to the last bit


class Race:
    """One image's race among `classes` columns: says which scores it needs, prunes, ends.

    Live scoring and replay drive the same object, so that they cannot differ. It holds no scores: `weighted` reads those of its owner.
    """

    def __init__(self, policy: Policy, classes: int, weighted: Callable[[int, int, NDArray[np.int64]], Floats]) -> None:
        """`weighted(first, last, columns)` gives weighted scores [draw, column] of draws first..last-1."""
        self.policy, self.weighted, self.state = policy, weighted, policy.new_state()
        self.alive = np.arange(classes)
        self.n = self.calls = 0
        self.eliminated_at = np.full(classes, -1)  # draws after which a class was dropped
        self.finished = classes == 1

    @property
    def next_draws(self) -> tuple[int, int]:
        """The draws (first, last) whose scores of all `alive` classes the next decision needs; last is exclusive."""
        return self.n, self.policy.next_decision(self.n)

    def step(self, until: int) -> None:
        """Go on with the draws before `until`, whose scores of all `alive` classes are there, up to the first that drops a class.

        Raises ValueError where scores are missing.
        """
        first, last = self.next_draws
        if until < last:
            raise ValueError(f"race: found the scores of draws {first} to {until - 1}, expected those to {last - 1}.")
        self.n, keep = self.state.decide(self.read, first, min(until, self.policy.max_scores))
        self.calls += (self.n - first) * len(self.alive)
        self.eliminated_at[self.alive[~keep]] = self.n
        self.alive = self.alive[keep]
        self.finished = len(self.alive) == 1 or self.n >= self.policy.max_scores

    def read(self, first: int, last: int) -> Floats:
        """Weighted scores [draw, alive], all there."""
        weighted = self.weighted(first, last, self.alive)
        if weighted.shape != (last - first, len(self.alive)):
            raise ValueError(f"race: found scores {weighted.shape}, expected {(last - first, len(self.alive))}.")
        # One pass where all is well; finite scores whose sum overflows are looked at one by one as well.
        if not np.isfinite(weighted.sum()) and not np.isfinite(weighted).all():
            draw, column = np.argwhere(~np.isfinite(weighted))[0]
            raise ValueError(
                f"race: found {weighted[draw, column]} for class {self.alive[column]}, draw {first + draw}, expected a finite score."
            )
        return weighted

    def outcome(self) -> Outcome:
        """The result of a finished race; a race among one class is won without a draw."""
        if self.n == 0:
            return Outcome(0, 0, 0, undecided=False, tied=False)
        means = self.read(0, self.n).mean(axis=0)
        best = int(np.argmin(means))
        tied = bool((means == means[best]).sum() > 1)
        return Outcome(int(self.alive[best]), self.n, self.calls, undecided=len(self.alive) > 1, tied=tied)
