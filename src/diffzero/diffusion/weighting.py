"""Weighting functions w_t (paper, Section 2.2 and Appendix B): how much an error at time t counts. All in float64."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diffzero.config import Weighting
from diffzero.diffusion.schedule import NoiseSchedule

Floats = NDArray[np.float64]


def heuristic(t: Floats, schedule: NoiseSchedule, decay: float) -> Floats:
    """exp(-decay t); the paper's choice for every result, with decay 7."""
    return np.exp(-decay * np.asarray(t, dtype=np.float64))


def simple(t: Floats, schedule: NoiseSchedule, decay: float) -> Floats:
    """SNR(t): turns the x error into the eps error, the loss of Ho et al. 2020."""
    return schedule.snr(t)


def vdm(t: Floats, schedule: NoiseSchedule, decay: float) -> Floats:
    """|SNR'(t)|: the variational bound on the likelihood (Kingma et al. 2021, equation 17)."""
    return np.abs(schedule.dsnr_dt(t))


WEIGHTINGS: dict[str, Callable[[Floats, NoiseSchedule, float], Floats]] = {
    "heuristic": heuristic,
    "simple": simple,
    "vdm": vdm,
}


def make_weight_fn(weighting: Weighting, schedule: NoiseSchedule) -> Callable[[Floats], Floats]:
    """The function t -> w_t that a configuration's weighting block names, for a model's schedule."""
    return lambda t: WEIGHTINGS[weighting.kind](t, schedule, weighting.decay)
