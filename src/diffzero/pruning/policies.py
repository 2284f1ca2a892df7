"""Pruning policies: when classes of one image are dropped, and which. `docs/extending.md` says how to add one.

A class here is a policy with its configuration parameters: `policy: {kind: ttest, min_scores: 20}` becomes `TTest(min_scores=20)`.
Policies see weighted scores [draw, class] of the classes still in the race, never a clock, a batch or a device.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, model_validator

from diffzero.pruning.paired_ttest import PairedTests, ReadScores
from diffzero.typing import Floats
from diffzero.utils.fields import Count, Several
from diffzero.utils.frozen_model import FrozenModel, KindModel, any_of, default_kind, kinds_of

# Values of cutoff_pval that the cost frontier and the sensitivity study replay.
CUTOFFS = (2e-4, 2e-3, 2e-2, 1e-1)
# Expected draws of a race under Algorithm 1, as a multiple of min_scores: the paper measured less than 3.
EXPECTED_MIN_SCORES = 3.0


class PolicyState(Protocol):
    """The decisions of a policy in one race."""

    def decide(self, read: ReadScores, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """Continue after `n` draws to the first decision that drops a class, or to the last one at `until` draws or before.

        Parameters
        ----------
        read
            Returns the weighted scores [draw, class] of a range of draws and of the classes still in the race.
        n
            Draws at the previous decision, 0 at the start of a race.
        until
            Draws whose scores are available; at least `Policy.next_decision(n)`.

        Returns
        -------
        int
            Number of draws at this decision.
        NDArray[np.bool_]
            Mask of the surviving classes [class].
        """


class Policy(KindModel, ABC):
    """A rule that drops classes while an image is scored, with its parameters."""

    drops_classes: ClassVar[bool] = True
    """False only if every class has every draw: then neither the scores nor their path depend on the weighting."""

    @property
    @abstractmethod
    def max_draws(self) -> int:
        """Draws after which the race ends; the remaining class with the lowest mean wins."""

    @abstractmethod
    def next_decision(self, n: int) -> int:
        """Return the number of draws, greater than `n`, at which classes may be dropped next."""

    @abstractmethod
    def new_state(self) -> PolicyState:
        """Return the state of a new race."""

    @classmethod
    @abstractmethod
    def frontier(cls, draws: Sequence[int], classes: int, min_scores: int) -> Iterator[tuple[str, "Policy"]]:
        """Yield the policies of this kind that the cost frontier replays.

        Parameters
        ----------
        draws
            Numbers of draws, ascending, each at least 2. A policy may use up to the last.
        classes
            Number of classes.
        min_scores
            Draws before the run's own policy drops a class.

        Yields
        ------
        tuple[str, Policy]
            Name of a series of points in the figure, and a policy.
        """

    def call_bounds(self, classes: int) -> tuple[float, float]:
        """Return the least and the greatest number of calls of one race."""
        return float(classes * self.next_decision(0)), float(classes * self.max_draws)

    def expected_calls(self, classes: int) -> float:
        """Return the expected calls of one race before anything is measured; an overestimate is better than an underestimate."""
        return self.call_bounds(classes)[1]


class StatelessPolicy(Policy):
    """A policy that decides from all scores so far; enough if it decides a few times per race."""

    @abstractmethod
    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Return the mask of surviving classes [class] after the draws in `weighted` [draw, class]."""

    def new_state(self) -> PolicyState:
        """Return a state that applies the policy to all scores at every decision."""
        return StatelessPolicyState(self)


@dataclass(frozen=True)
class StatelessPolicyState:
    """The decisions of a stateless policy, each from all scores so far."""

    policy: StatelessPolicy

    def decide(self, read: ReadScores, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """Continue as PolicyState.decide, from one decision of the policy to the next."""
        while True:
            n = self.policy.next_decision(n)
            keep = self.policy.survivors(read(0, n))
            if not keep.all() or n >= until or self.policy.next_decision(n) > until:
                return n, keep


class Full(StatelessPolicy):
    """No pruning: every class is scored for every draw."""

    drops_classes = False

    kind: Literal["full"] = "full"
    """No class is ever dropped."""
    max_scores: Count = 2000
    """Draws of every class."""

    @property
    def max_draws(self) -> int:
        """Draws of every class: `max_scores`."""
        return self.max_scores

    def next_decision(self, n: int) -> int:
        """Return `max_scores`: the only decision is the last."""
        return self.max_scores

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Return a mask of all classes."""
        return np.ones(weighted.shape[1], dtype=np.bool_)

    @classmethod
    def frontier(cls, draws: Sequence[int], classes: int, min_scores: int) -> Iterator[tuple[str, Policy]]:
        """Yield one policy per number of draws."""
        yield from (("no pruning", cls(max_scores=n)) for n in draws)


class TTest(Policy):
    """Algorithm 1 of the paper: drop every class whose paired t-test against the best class has p < cutoff_pval."""

    kind: Literal["ttest"] = "ttest"
    """Algorithm 1 (Clark & Jaini 2023)."""
    min_scores: Several = 20
    """Draws before a class may be dropped. Fewer save calls and lose the right class by chance more often."""
    max_scores: Several = 2000
    """Draws after which the lowest mean wins: the cost of an image whose last classes cannot be told apart."""
    cutoff_pval: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """A class is dropped if its p-value is below this."""

    @model_validator(mode="after")
    def _check_max_scores(self) -> Self:
        if self.max_scores < self.min_scores:
            raise ValueError(
                f"max_scores is {self.max_scores}, expected at least min_scores, which is {self.min_scores}."
            )
        return self

    @property
    def max_draws(self) -> int:
        """Draws after which the lowest mean wins: `max_scores`."""
        return self.max_scores

    def next_decision(self, n: int) -> int:
        """Return the next draw, from `min_scores` on."""
        return min(max(n + 1, self.min_scores), self.max_scores)

    def new_state(self) -> PolicyState:
        """Return the running sums of the paired tests of one race."""
        return PairedTests(self.min_scores, self.max_scores, self.cutoff_pval)

    @classmethod
    def of_run(cls, policy: Policy) -> "TTest":
        """Return Algorithm 1 for the studies of a run: its own policy, or with another kind the paper's parameters."""
        if isinstance(policy, TTest):
            return policy
        most = max(policy.max_draws, 2)
        return cls(min_scores=min(20, most), max_scores=most)

    @classmethod
    def frontier(cls, draws: Sequence[int], classes: int, min_scores: int) -> Iterator[tuple[str, Policy]]:
        """Yield one policy per p-value of CUTOFFS and number of draws."""
        least = min(min_scores, max(draws, default=min_scores))
        for cutoff in CUTOFFS:
            for n in draws:
                if n >= least:
                    yield f"t-test p < {cutoff:g}", cls(min_scores=least, max_scores=n, cutoff_pval=cutoff)

    def expected_calls(self, classes: int) -> float:
        """Return the calls if every class had EXPECTED_MIN_SCORES times `min_scores` draws."""
        return float(classes * min(EXPECTED_MIN_SCORES * self.min_scores, self.max_scores))


class Stage(FrozenModel):
    """One stage of a `stages` policy."""

    draws: Count
    """Draws that every survivor has had at the end of this stage, counted from the first stage on."""
    keep: Count
    """Classes that survive this stage: those with the lowest mean scores."""


class FixedStages(StatelessPolicy):
    """Fixed stages (Li et al. 2023): each stage keeps a fixed number of classes, those with the lowest mean scores."""

    kind: Literal["stages"] = "stages"
    """Fixed numbers of draws and of surviving classes (Li et al. 2023, adaptive strategy)."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, strict=False)]
    """The stages, with increasing `draws` and decreasing `keep`; the last `keep` is 1."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        draws, keep = [stage.draws for stage in self.stages], [stage.keep for stage in self.stages]
        if draws != sorted(set(draws)):
            raise ValueError(f"stages have draws {draws}, expected increasing numbers.")
        if keep != sorted(set(keep), reverse=True) or keep[-1] != 1:
            raise ValueError(f"stages have keep {keep}, expected decreasing numbers that end with 1.")
        return self

    @property
    def slug(self) -> str:
        """The kind, and the draws and survivors of each stage."""
        return "-".join([self.kind, *(f"{stage.draws}x{stage.keep}" for stage in self.stages)])

    @property
    def max_draws(self) -> int:
        """Draws at the end of the last stage."""
        return self.stages[-1].draws

    def next_decision(self, n: int) -> int:
        """Return the draws at the end of the stage in progress."""
        return next(stage.draws for stage in self.stages if stage.draws > n)

    def survivors(self, weighted: Floats) -> NDArray[np.bool_]:
        """Return the mask of the classes with the lowest means; a tie goes to the lower label."""
        keep = next(stage.keep for stage in self.stages if stage.draws == len(weighted))
        order = np.argsort(weighted.mean(axis=0), kind="stable")
        alive = np.zeros(weighted.shape[1], dtype=np.bool_)
        alive[order[:keep]] = True
        return alive

    @classmethod
    def frontier(cls, draws: Sequence[int], classes: int, min_scores: int) -> Iterator[tuple[str, Policy]]:
        """Yield two stages per number of draws: a quarter of the draws for all classes, the rest for a quarter of the classes."""
        keep = max(2, classes // 4)
        for n in draws:
            if n >= 4 and keep < classes:
                yield "stages", cls(stages=(Stage(draws=n // 4, keep=keep), Stage(draws=n, keep=1)))

    def call_bounds(self, classes: int) -> tuple[float, float]:
        """Return the number of calls twice: it is the same in every race."""
        calls, drawn, alive = 0, 0, classes
        for stage in self.stages:
            calls += alive * (stage.draws - drawn)
            drawn, alive = stage.draws, min(stage.keep, classes)
        return float(calls), float(calls)


# The registry: a policy that is listed here is a kind of `policy` in the configuration, and is documented, replayed and drawn.
AnyPolicy = Annotated[
    Full | TTest | FixedStages, Field(discriminator="kind", json_schema_extra=any_of), default_kind("ttest")
]
POLICIES: Mapping[str, type[Policy]] = kinds_of(AnyPolicy)


def parse_policy(values: Mapping[str, object]) -> Policy:
    """Return the policy with these plain values, e.g. those of `policy.model_dump()` or of a configuration."""
    return TypeAdapter[Policy](AnyPolicy).validate_python(values)
