"""Races: which classes of one image are still candidates, and which scores the next decision needs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffzero.pruning.policies import Policy
from diffzero.typing import Floats


@dataclass(frozen=True)
class Outcome:
    """The result of a race; classes are column numbers of the race."""

    winner: int
    draws: int
    calls: int
    reached_max_scores: bool  # more than one class was left after the last draw
    exact_tie: bool  # the winner's mean equals another survivor's to the last bit


class Race:
    """The race among the classes of one image: requests scores, drops classes and ends.

    Live scoring and replay use the same object, so they cannot differ. It stores no scores.

    Parameters
    ----------
    policy
        Decides which classes are dropped.
    classes
        Number of classes at the start.
    weighted
        `weighted(first, last, columns)` returns the weighted scores [draw, column] of draws first..last-1.
    max_draws
        Maximum number of draws if the policy would continue; the remaining class with the lowest mean then wins.

    Attributes
    ----------
    alive
        Columns of the classes still in the race [class].
    n, calls
        Draws so far, and scores of (draw, class) used so far.
    eliminated_at
        Number of draws at which each class was dropped, -1 for those still in the race [class].
    """

    def __init__(
        self,
        policy: Policy,
        classes: int,
        weighted: Callable[[int, int, NDArray[np.int64]], Floats],
        max_draws: int | None = None,
    ) -> None:
        self.policy, self.weighted, self.state = policy, weighted, policy.new_state()
        self.max_draws = policy.max_draws if max_draws is None else min(max_draws, policy.max_draws)
        self.alive = np.arange(classes)
        self.n = self.calls = 0
        self.eliminated_at = np.full(classes, -1)
        self.finished = classes == 1

    @property
    def next_draws(self) -> tuple[int, int]:
        """The draws (first, last) whose scores of all `alive` classes the next decision needs; last is exclusive."""
        return self.n, min(self.policy.next_decision(self.n), self.max_draws)

    def step(self, until: int) -> None:
        """Continue to the first decision that drops a class, or to the last decision at `until` draws or before.

        Parameters
        ----------
        until
            The scores of all `alive` classes are available for the draws before this one.

        Raises
        ------
        ValueError
            If the next decision needs scores of later draws.
        """
        first, last = self.next_draws
        if until < last:
            raise ValueError(f"race: found the scores of draws {first} to {until - 1}, expected those to {last - 1}.")
        if self.policy.next_decision(first) > self.max_draws:
            self.n, keep = self.max_draws, np.ones(len(self.alive), dtype=np.bool_)
        else:
            self.n, keep = self.state.decide(self.read, first, min(until, self.max_draws))
        self.calls += (self.n - first) * len(self.alive)
        self.eliminated_at[self.alive[~keep]] = self.n
        self.alive = self.alive[keep]
        self.finished = len(self.alive) == 1 or self.n >= self.max_draws

    def read(self, first: int, last: int) -> Floats:
        """Return the weighted scores [draw, alive] of draws first..last-1; raise ValueError if one is missing or not finite."""
        weighted = self.weighted(first, last, self.alive)
        if weighted.shape != (last - first, len(self.alive)):
            raise ValueError(f"race: found scores {weighted.shape}, expected {(last - first, len(self.alive))}.")
        # The sum costs one pass; finite scores whose sum overflows are checked one by one as well.
        if not np.isfinite(weighted.sum()) and not np.isfinite(weighted).all():
            draw, column = np.argwhere(~np.isfinite(weighted))[0]
            raise ValueError(
                f"race: found {weighted[draw, column]} for class {self.alive[column]}, draw {first + draw}, expected a finite score."
            )
        return weighted

    def outcome(self) -> Outcome:
        """Return the result of a finished race; a race with one class is won without a draw."""
        if self.n == 0:
            return Outcome(0, 0, 0, reached_max_scores=False, exact_tie=False)
        means = self.read(0, self.n).mean(axis=0)
        best = int(np.argmin(means))
        reached, tie = len(self.alive) > 1, bool((means == means[best]).sum() > 1)
        return Outcome(int(self.alive[best]), self.n, self.calls, reached_max_scores=reached, exact_tie=tie)
