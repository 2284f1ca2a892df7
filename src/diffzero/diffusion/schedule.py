"""Noise schedules: alpha(t), sigma(t), SNR(t) and dSNR/dt in float64, from the scheduler configuration of a checkpoint.

The tables are recomputed in float64 because diffusers' are float32: `sqrt(1 - alpha_bar)` loses its digits near t = 0, where
`exp(-7 t)` is largest. With both kinds of schedule, each of the T timesteps of the scheduler takes an equal part of t in [0, 1].
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffzero.diffusion.schedulers import FLOW_SCHEDULER, require_known_scheduler
from diffzero.typing import Floats

# Prediction types (what the network returns) of each kind of schedule.
VP_PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
FLOW = "flow"
DEFAULT_STEPS = 1000  # diffusers' own default, for configurations without `num_train_timesteps`


def timestep_index(t: Floats, steps: int) -> NDArray[np.int64]:
    """Return which of `steps` equal parts of [0, 1] contains each `t`: floor(t * steps), with t = 1 in the last.

    Raises ValueError for t outside [0, 1].
    """
    t = np.asarray(t, dtype=np.float64)
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"t: found {t.min()}..{t.max()}, expected values in [0, 1].")
    return np.minimum((t * steps).astype(np.int64), steps - 1)


class NoiseSchedule(ABC):
    """A noise schedule: x_t = alpha(t) x + sigma(t) eps for t in [0, 1], and the timestep input of the network.

    All methods are elementwise.
    """

    prediction_type: str  # one of VP_PREDICTION_TYPES, or FLOW

    @abstractmethod
    def timestep(self, t: Floats) -> NDArray[np.int64] | Floats:
        """Return the timestep input of the network."""

    @abstractmethod
    def alpha(self, t: Floats) -> Floats:
        """Return the signal level."""

    @abstractmethod
    def sigma(self, t: Floats) -> Floats:
        """Return the noise level."""

    @abstractmethod
    def snr(self, t: Floats) -> Floats:
        """Return the signal-to-noise ratio, SNR(t) = alpha(t)^2 / sigma(t)^2 (Kingma et al. 2021, equation 2)."""

    @abstractmethod
    def dsnr_dt(self, t: Floats) -> Floats:
        """Return SNR'(t), the derivative with respect to t in [0, 1]; it is negative."""


@dataclass(frozen=True)
class VPSchedule(NoiseSchedule):
    """A variance-preserving schedule on T discrete timesteps, alpha^2 + sigma^2 = 1 (Ho et al. 2020)."""

    alphas_cumprod: Floats  # alpha_bar = alpha^2 [timestep]
    prediction_type: str  # one of VP_PREDICTION_TYPES

    @property
    def steps(self) -> int:
        """T, the number of timesteps."""
        return len(self.alphas_cumprod)

    def timestep(self, t: Floats) -> NDArray[np.int64]:
        """Return the index of the discrete step that holds `t`."""
        return timestep_index(t, self.steps)

    def alpha(self, t: Floats) -> Floats:
        """Return sqrt(alpha_bar) of the step."""
        return np.sqrt(self.alphas_cumprod[self.timestep(t)])

    def sigma(self, t: Floats) -> Floats:
        """Return sqrt(1 - alpha_bar) of the step."""
        return np.sqrt(1.0 - self.alphas_cumprod[self.timestep(t)])

    def snr(self, t: Floats) -> Floats:
        """Return alpha_bar / (1 - alpha_bar) of the step."""
        alpha_bar = self.alphas_cumprod[self.timestep(t)]
        return alpha_bar / (1.0 - alpha_bar)

    def dsnr_dt(self, t: Floats) -> Floats:
        """Return SNR'(t) = SNR(t) d(log SNR)/dt.

        Central differences are accurate for the log-SNR alone, which is nearly linear in t. If a schedule ends in pure noise, its
        log-SNR ends at -inf, and the last values are differences of the SNR itself.
        """
        snr = self.alphas_cumprod / (1.0 - self.alphas_cumprod)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_snr = np.log(self.alphas_cumprod) - np.log1p(-self.alphas_cumprod)
            slope = snr * np.gradient(log_snr, 1.0 / self.steps)
        slope = np.where(np.isfinite(slope), slope, np.gradient(snr, 1.0 / self.steps))
        return slope[self.timestep(t)]


@dataclass(frozen=True)
class FlowSchedule(NoiseSchedule):
    """Rectified flow on T noise levels, x_t = (1 - sigma) x + sigma eps (Liu et al. 2023; Esser et al. 2024, Section 3.1)."""

    steps: int
    shift: float
    prediction_type: str = FLOW

    def unshifted_sigma(self, t: Floats) -> Floats:
        """Return u, the noise level before the shift: (k + 1) / T in timestep k, as in FlowMatchEulerDiscreteScheduler."""
        return (timestep_index(t, self.steps) + 1) / self.steps

    def sigma(self, t: Floats) -> Floats:
        """Return the noise level after the shift."""
        return shifted_sigma(self.unshifted_sigma(t), self.shift)

    def alpha(self, t: Floats) -> Floats:
        """Return 1 - sigma."""
        return 1.0 - self.sigma(t)

    def timestep(self, t: Floats) -> Floats:
        """Return T sigma: not an integer, and after the shift, as the scheduler passes it to the network."""
        return self.steps * self.sigma(t)

    def snr(self, t: Floats) -> Floats:
        """Return (alpha / sigma)^2."""
        return (self.alpha(t) / self.sigma(t)) ** 2

    def dsnr_dt(self, t: Floats) -> Floats:
        """Return dSNR/dsigma dsigma/du = -2 (1 - sigma) / sigma^3 * shift / (1 + (shift - 1) u)^2."""
        sigma, u = self.sigma(t), self.unshifted_sigma(t)
        return -2 * (1 - sigma) / sigma**3 * self.shift / (1 + (self.shift - 1) * u) ** 2


def shifted_sigma(u: Floats, shift: float) -> Floats:
    """Return shift u / (1 + (shift - 1) u), which moves [0, 1] towards high noise (Esser et al. 2024, equation 23)."""
    return shift * u / (1 + (shift - 1) * u)


def zero_terminal_snr(betas: Floats) -> Floats:
    """Rescale `betas` [timestep] so that sqrt(alpha_bar) ends at 0 and keeps its first value (Lin et al. 2024, Algorithm 1)."""
    root = np.sqrt(np.cumprod(1.0 - betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root**2
    return 1.0 - np.concatenate([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])


def betas(config: Mapping[str, Any]) -> Floats:
    """Return the betas [timestep] of a diffusers scheduler configuration, recomputed in float64.

    Raises ValueError for an unknown `beta_schedule`.
    """
    table = unscaled_betas(config)
    return zero_terminal_snr(table) if config.get("rescale_betas_zero_snr") else table


def unscaled_betas(config: Mapping[str, Any]) -> Floats:
    """Return the betas [timestep] before `zero_terminal_snr`: the `trained_betas`, or those of the `beta_schedule`."""
    if config.get("trained_betas") is not None:
        return np.asarray(config["trained_betas"], dtype=np.float64)
    steps, kind = config.get("num_train_timesteps", DEFAULT_STEPS), config.get("beta_schedule", "linear")
    start, end = config.get("beta_start", 0.0001), config.get("beta_end", 0.02)
    if kind == "linear":
        return np.linspace(start, end, steps)
    if kind == "scaled_linear":
        return np.linspace(math.sqrt(start), math.sqrt(end), steps) ** 2
    if kind == "squaredcos_cap_v2":  # Nichol & Dhariwal 2021, equation 17
        edges = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
        return np.minimum(1 - edges[1:] / edges[:-1], 0.999)
    raise ValueError(
        f"scheduler: found beta_schedule {kind!r}, expected linear, scaled_linear or squaredcos_cap_v2. "
        "Add another schedule to unscaled_betas in diffzero.diffusion.schedule."
    )


def make_flow_schedule(config: Mapping[str, Any]) -> FlowSchedule:
    """Return the schedule of a FlowMatchEulerDiscreteScheduler.

    Raises ValueError if its configuration makes sigma depend on more than t and `shift`.
    """
    for name in ("use_dynamic_shifting", "invert_sigmas", "shift_terminal"):
        if config.get(name):
            raise ValueError(
                f"scheduler: found {name}: {config[name]}, expected it absent or false: with it, sigma depends on more than t "
                "and `shift`. Add a class for such a schedule to diffzero.diffusion.schedule."
            )
    return FlowSchedule(config.get("num_train_timesteps", DEFAULT_STEPS), config.get("shift", 1.0))


def make_vp_schedule(config: Mapping[str, Any]) -> VPSchedule:
    """Return the schedule of a scheduler with betas.

    Raises ValueError if x cannot be computed from the network's output.
    """
    prediction_type = config.get("prediction_type", "epsilon")
    if prediction_type not in VP_PREDICTION_TYPES:
        raise ValueError(
            f"scheduler: found prediction_type {prediction_type!r}, expected one of {', '.join(VP_PREDICTION_TYPES)}. Add the "
            "conversion of another type to predict_x0 in diffzero.models.base."
        )
    if config.get("use_flow_sigmas"):
        raise ValueError(
            "scheduler: found use_flow_sigmas, expected it absent or false: with it, the sampler follows a rectified flow instead of "
            "its betas. Write FlowMatchEulerDiscreteScheduler into the checkpoint's scheduler/scheduler_config.json."
        )
    if config.get("timestep_type", "discrete") != "discrete":
        raise ValueError(
            f"scheduler: found timestep_type {config['timestep_type']!r}, expected discrete: the network is given 0.25 log(sigma) instead "
            "of a timestep, which is not supported. Use another checkpoint."
        )
    if prediction_type == "epsilon" and config.get("rescale_betas_zero_snr"):
        raise ValueError(
            "scheduler: found rescale_betas_zero_snr with prediction_type epsilon, expected v_prediction or sample: alpha is 0 "
            "at t = 1, where x cannot be computed from eps. Correct the checkpoint's scheduler/scheduler_config.json."
        )
    table, steps = betas(config), config.get("num_train_timesteps", DEFAULT_STEPS)
    if len(table) != steps or not ((table > 0) & (table <= 1)).all():
        raise ValueError(
            f"scheduler: found {len(table)} betas from {table.min():g} to {table.max():g}, expected num_train_timesteps = {steps} of them "
            "in (0, 1]. Correct the checkpoint's scheduler/scheduler_config.json."
        )
    return VPSchedule(np.cumprod(1.0 - table, dtype=np.float64), prediction_type)


def read_schedule(checkpoint_dir: Path, part: str = "scheduler") -> NoiseSchedule:
    """Read the schedule of a checkpoint.

    Parameters
    ----------
    checkpoint_dir
        Directory of a diffusers checkpoint (save_pretrained layout).
    part
        Sub-directory with the scheduler_config.json.

    Raises
    ------
    FileNotFoundError
        If there is no scheduler_config.json.
    ValueError
        If the scheduler is not supported.
    """
    path = checkpoint_dir / part / "scheduler_config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: not found; expected a diffusers checkpoint directory (save_pretrained layout)."
        )
    try:
        return make_schedule(json.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def make_schedule(config: Mapping[str, Any]) -> NoiseSchedule:
    """Return the schedule of a diffusers scheduler configuration. Raises ValueError if it is not supported."""
    name = config.get("_class_name", "DDPMScheduler")
    require_known_scheduler(name)
    return make_flow_schedule(config) if name == FLOW_SCHEDULER else make_vp_schedule(config)
