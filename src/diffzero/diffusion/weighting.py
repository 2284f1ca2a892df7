"""Weightings w_t: how much the error at time t counts. `docs/extending.md` says how to add one.

A class here is a weighting with its configuration parameters: `weighting: {kind: heuristic, decay: 6}` becomes `Heuristic(decay=6)`.
Stored scores are unweighted, so full scores can be evaluated under another weighting without further calls.

References
----------
Clark & Jaini 2023, Section 2.2 and Appendix B.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from diffzero.diffusion.schedule import NoiseSchedule
from diffzero.typing import Floats
from diffzero.utils.frozen_model import KindModel, any_of, default_kind, kinds_of


class Weighting(KindModel, ABC):
    """A weighting function with its parameters, all of which have defaults: the studies replay every kind."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """The function in plain text, for notes below tables."""

    @abstractmethod
    def weight(self, t: Floats, schedule: NoiseSchedule) -> Floats:
        """Return w_t for the times `t` in [0, 1], in float64, elementwise."""


class Heuristic(Weighting):
    """exp(-decay t): the weighting of every result of the paper."""

    renamed_keys = {"rate": "decay"}

    kind: Literal["heuristic"] = "heuristic"
    """exp(-decay t)."""
    decay: Annotated[float, Field(ge=0)] = 7.0
    """The paper has 7 in its main text and 6 in Appendix B; with 0 all draws count equally."""

    @property
    def formula(self) -> str:
        """The exponential with its decay."""
        return f"exp(-{self.decay:g} t)"

    def weight(self, t: Floats, schedule: NoiseSchedule) -> Floats:
        """Return exp(-decay t) (Clark & Jaini 2023, Section 2.2)."""
        return np.exp(-self.decay * np.asarray(t, dtype=np.float64))


class Simple(Weighting):
    """SNR(t): turns the error of x into the error of eps, the loss of Ho et al. 2020."""

    kind: Literal["simple"] = "simple"
    """SNR(t)."""

    @property
    def formula(self) -> str:
        """The signal-to-noise ratio."""
        return "SNR(t)"

    def weight(self, t: Floats, schedule: NoiseSchedule) -> Floats:
        """Return SNR(t) = alpha^2 / sigma^2 (Clark & Jaini 2023, Appendix B)."""
        return schedule.snr(t)


class VDM(Weighting):
    """|SNR'(t)|: the variational bound on the likelihood (Kingma et al. 2021, equation 17)."""

    kind: Literal["vdm"] = "vdm"
    """|SNR'(t)|."""

    @property
    def formula(self) -> str:
        """The absolute slope of the signal-to-noise ratio."""
        return "|SNR'(t)|"

    def weight(self, t: Floats, schedule: NoiseSchedule) -> Floats:
        """Return |SNR'(t)| (Clark & Jaini 2023, Appendix B)."""
        return np.abs(schedule.dsnr_dt(t))


# The registry: a weighting that is listed here is a kind of `weighting` in the configuration, and is documented, replayed and drawn.
AnyWeighting = Annotated[
    Heuristic | Simple | VDM, Field(discriminator="kind", json_schema_extra=any_of), default_kind("heuristic")
]
WEIGHTINGS: Mapping[str, type[Weighting]] = kinds_of(AnyWeighting)


def parse_weighting(values: Mapping[str, object]) -> Weighting:
    """Return the weighting with these plain values, e.g. those of `weighting.model_dump()` or of a configuration."""
    return TypeAdapter[Weighting](AnyWeighting).validate_python(values)


def make_weight_fn(weighting: Weighting, schedule: NoiseSchedule) -> Callable[[Floats], Floats]:
    """Return the function t -> w_t of a weighting with the schedule of a model."""
    return lambda t: weighting.weight(t, schedule)


def all_weightings(own: Weighting) -> dict[str, Weighting]:
    """Return one weighting of each kind by its name: the run's `own`, the other kinds with their defaults."""
    return {kind: own if own.kind == kind else weighting() for kind, weighting in WEIGHTINGS.items()}


def make_weight_fns(own: Weighting, schedule: NoiseSchedule) -> dict[str, Callable[[Floats], Floats]]:
    """Return the functions t -> w_t of `all_weightings` with the schedule of a model."""
    return {kind: make_weight_fn(weighting, schedule) for kind, weighting in all_weightings(own).items()}
