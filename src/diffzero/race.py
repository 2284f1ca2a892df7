"""Races: which classes of one image go on. A policy is a rule; a race is its state for one image.

The policies see weighted scores [draw, class] of the classes still in the race, never a clock, a batch or a device.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


class Policy(Protocol):
    """When to decide, and who survives."""

    max_scores: int

    @property
    def slug(self) -> str:
        """The policy and its parameters as part of a path."""

    def next_decision(self, n: int) -> int:
        """The number of draws, greater than `n`, at which classes may be dropped next."""

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Which classes [class] go on after the draws in `weighted` [draw, class]."""


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

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        statistic = paired_t(weighted, best_class(weighted))
        # "not dropped" and not "kept": the statistic of the best class, and of an exact tie, is NaN and must survive.
        return ~(np.abs(statistic) > critical_t(len(weighted), self.cutoff_pval))


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
        keep = self.keep[self.draws.index(len(weighted))]
        order = np.argsort(weighted.mean(axis=0), kind="stable")  # a tie goes to the lower label
        alive = np.zeros(weighted.shape[1], dtype=bool)
        alive[order[:keep]] = True
        return alive


def best_class(weighted: Floats) -> int:
    """The class with the lowest mean score; a tie goes to the lowest label."""
    return int(np.argmin(weighted.mean(axis=0)))


def paired_t(weighted: Floats, best: int) -> Floats:
    """Student's paired t statistic [class] of every class against `best`, as scipy.stats.ttest_rel; NaN for identical scores."""
    difference = weighted - weighted[:, best : best + 1]  # [draw, class]
    n = len(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        return difference.mean(axis=0) / np.sqrt(difference.var(axis=0, ddof=1) / n)


@functools.cache
def critical_t(n: int, pval: float) -> float:
    """The |t| beyond which a two-sided paired test on `n` draws has p < pval.

    Comparing with this one number replaces a p-value per class and draw, which would cost more than all other bookkeeping.
    """
    return float(stats.t.isf(pval / 2, n - 1))


@dataclass(frozen=True)
class Outcome:
    """How a race ended; classes are column numbers of the race."""

    winner: int
    draws: int
    calls: int
    undecided: bool  # more than one class left at max_scores
    tied: bool  # the winner's mean equals another survivor's to the last bit


class Race:
    """One image's race among `classes` columns: asks for scores, prunes, ends.

    Live scoring and replay drive the same object, so that they cannot differ.
    """

    def __init__(self, policy: Policy, classes: int, weight: Callable[[int, int], Floats]) -> None:
        """`weight(first, last)` gives w_t of draws first..last-1: [draw, 1] for shared noise, [draw, class] for unshared."""
        self.policy, self.weight = policy, weight
        self.alive = np.arange(classes)
        self.n = self.calls = 0
        self.pruned_at = np.full(classes, -1)  # draws after which a class was dropped
        self.weighted = np.empty(
            (0, classes)
        )  # [draw, alive]; columns leave with their classes, which bounds the memory
        self.finished = classes == 1

    @property
    def due(self) -> tuple[int, int]:
        """The draws (first, last) whose scores of all `alive` classes the next decision needs; last is exclusive."""
        return self.n, self.policy.next_decision(self.n)

    def advance(self, scores: NDArray[np.float32]) -> None:
        """Take the raw scores [draw, alive] of the draws due, in order, and decide."""
        first, last = self.due
        if scores.shape != (last - first, len(self.alive)):
            raise ValueError(f"race: found scores {scores.shape}, expected {(last - first, len(self.alive))}.")
        weight = self.weight(first, last)
        weight = weight if weight.shape[1] == 1 else weight[:, self.alive]
        self._append(scores.astype(np.float64) * weight)
        self.calls += scores.size
        self.n = last
        keep = self.policy.survivors(self.weighted[: self.n])
        if not keep.all():
            self.pruned_at[self.alive[~keep]] = self.n
            self.alive = self.alive[keep]
            self.weighted = self.weighted[:, keep]
        self.finished = len(self.alive) == 1 or self.n >= self.policy.max_scores

    def _append(self, rows: Floats) -> None:
        """Add rows, doubling the capacity where it is spent: a copy a draw would make long races quadratic."""
        needed = self.n + len(rows)
        if needed > len(self.weighted):
            grown = np.empty((min(max(needed, 2 * len(self.weighted)), self.policy.max_scores), self.weighted.shape[1]))
            grown[: self.n] = self.weighted[: self.n]
            self.weighted = grown
        self.weighted[self.n : needed] = rows

    def outcome(self) -> Outcome:
        """The result of a finished race; a race among one class is won without a draw."""
        if self.n == 0:
            return Outcome(0, 0, 0, undecided=False, tied=False)
        means = self.weighted[: self.n].mean(axis=0)
        best = int(np.argmin(means))
        tied = bool((means == means[best]).sum() > 1)
        return Outcome(int(self.alive[best]), self.n, self.calls, undecided=len(self.alive) > 1, tied=tied)
