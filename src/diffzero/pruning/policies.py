"""Pruning policies: when classes of one image are dropped, and which.

Policies see weighted scores [draw, class] of the classes still in the race, never a clock, a batch or a device.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffzero.pruning.paired_ttest import PairedTests, ReadScores
from diffzero.typing import Floats


class PolicyState(Protocol):
    """A policy at work in one race."""

    def decide(self, read: ReadScores, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
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

    def new_state(self) -> PolicyState:
        """What decides one race."""


class StatelessPolicy(Protocol):
    """A policy that says, from all scores so far, who survives."""

    def next_decision(self, n: int) -> int:
        """As Policy's."""

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Which classes [class] go on after the draws in `weighted` [draw, class]."""


@dataclass(frozen=True)
class StatelessPolicyState:
    """Judges by all scores so far, each time: right for policies that decide a few times in a race."""

    policy: StatelessPolicy

    def decide(self, read: ReadScores, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """As PolicyState's: from one decision of the rule to its next, up to the first that drops a class."""
        while True:
            n = self.policy.next_decision(n)
            keep = self.policy.survivors(read(0, n))
            if not keep.all() or n >= until or self.policy.next_decision(n) > until:
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

    def new_state(self) -> PolicyState:
        return StatelessPolicyState(self)


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

    def new_state(self) -> PolicyState:
        return PairedTests(self.min_scores, self.max_scores, self.cutoff_pval)


@dataclass(frozen=True)
class FixedStages:
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

    def new_state(self) -> PolicyState:
        return StatelessPolicyState(self)
