"""Races: which classes of one image go on. A policy is a rule; a race is its state for one image.

The policies see weighted scores [draw, class] of the classes still in the race, never a clock, a batch or a device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffzero.pruning.paired_ttest import Floats, PairedTests, Read


class Judge(Protocol):
    """A policy at work in one race."""

    def decide(self, read: Read, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """Go on after `n` draws, to the first decision that drops a class or the last one at `until` draws or before.

        `read(first, last)` gives the weighted scores [draw, class] of these draws and the classes still in the race. Comes back
        with the number of draws at that decision, and which of the classes go on [class].
        """


class Policy(Protocol):
    """When to decide, and who survives."""

    max_scores: int

    @property
    def slug(self) -> str:
        """The policy and its parameters as part of a path."""

    def next_decision(self, n: int) -> int:
        """The number of draws, greater than `n`, at which classes may be dropped next."""

    def judge(self) -> Judge:
        """What decides one race."""


class Rule(Protocol):
    """A policy that says, from all scores so far, who survives."""

    def next_decision(self, n: int) -> int:
        """As Policy's."""

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Which classes [class] go on after the draws in `weighted` [draw, class]."""


@dataclass(frozen=True)
class Afresh:
    """Judges by all scores so far, each time: right for policies that decide a few times in a race."""

    rule: Rule

    def decide(self, read: Read, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """As Judge's: from one decision of the rule to its next, up to the first that drops a class."""
        while True:
            n = self.rule.next_decision(n)
            keep = self.rule.survivors(read(0, n))
            if not keep.all() or n >= until or self.rule.next_decision(n) > until:
                return n, keep


@dataclass(frozen=True)
class Full:
    """No pruning: every class gets `max_scores` draws."""

    max_scores: int

    @property
    def slug(self) -> str:
        return f"full-{self.max_scores}"

    def next_decision(self, n: int) -> int:
        return self.max_scores

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        return np.ones(weighted.shape[1], dtype=bool)

    def judge(self) -> Judge:
        return Afresh(self)


@dataclass(frozen=True)
class TTest:
    """Algorithm 1: drop every class whose paired t-test against the best has p < cutoff_pval, once n >= min_scores."""

    min_scores: int = 20
    max_scores: int = 2000
    cutoff_pval: float = 2e-3

    @property
    def slug(self) -> str:
        return f"ttest-{self.min_scores}-{self.max_scores}-{self.cutoff_pval:g}"

    def next_decision(self, n: int) -> int:
        return min(max(n + 1, self.min_scores), self.max_scores)

    def judge(self) -> Judge:
        return PairedTests(self.min_scores, self.max_scores, self.cutoff_pval)


@dataclass(frozen=True)
class Stages:
    """Fixed stages (Li et al. 2023): after `draws[i]` draws in all, the `keep[i]` classes with the lowest means go on."""

    draws: tuple[int, ...]
    keep: tuple[int, ...]

    @property
    def max_scores(self) -> int:
        return self.draws[-1]

    @property
    def slug(self) -> str:
        return "stages-" + "-".join(f"{n}x{k}" for n, k in zip(self.draws, self.keep, strict=True))

    def next_decision(self, n: int) -> int:
        return next(stage for stage in self.draws if stage > n)

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """The `keep` classes [class] with the lowest means at the stage that ends with these draws."""
        keep = self.keep[self.draws.index(len(weighted))]
        order = np.argsort(weighted.mean(axis=0), kind="stable")  # a tie goes to the lower label
        alive = np.zeros(weighted.shape[1], dtype=bool)
        alive[order[:keep]] = True
        return alive

    def judge(self) -> Judge:
        return Afresh(self)


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
        self.policy, self.weighted, self.judge = policy, weighted, policy.judge()
        self.alive = np.arange(classes)
        self.n = self.calls = 0
        self.pruned_at = np.full(classes, -1)  # draws after which a class was dropped
        self.finished = classes == 1

    @property
    def due(self) -> tuple[int, int]:
        """The draws (first, last) whose scores of all `alive` classes the next decision needs; last is exclusive."""
        return self.n, self.policy.next_decision(self.n)

    def advance(self, until: int) -> None:
        """Go on with the draws before `until`, whose scores of all `alive` classes are there, up to the first that drops a class.

        Raises ValueError where scores are missing.
        """
        first, last = self.due
        if until < last:
            raise ValueError(f"race: found the scores of draws {first} to {until - 1}, expected those to {last - 1}.")
        self.n, keep = self.judge.decide(self.read, first, min(until, self.policy.max_scores))
        self.calls += (self.n - first) * len(self.alive)
        self.pruned_at[self.alive[~keep]] = self.n
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
