"""alpha(t), sigma(t), snr(t) and dsnr/dt in float64, from the scheduler configuration that a checkpoint ships.

float64 and not diffusers' own fp32 tables: `sqrt(1 - alpha_bar)` loses its digits near t = 0, where `exp(-7t)` weighs most.
A timestep is the same for both kinds of schedule: each of the T steps of the scheduler takes an equal share of U[0, 1].
"""

import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


# What a network puts out, by the kind of schedule that it was trained on.
VARIANCE_PRESERVING = ("epsilon", "v_prediction", "sample")
FLOW = "flow"
STEPS = 1000  # where a scheduler's configuration leaves them out: diffusers' own default


def share(t: Floats, steps: int) -> NDArray[np.int64]:
    """Which of `steps` equal shares of [0, 1] holds each `t`: floor(t * steps), with t = 1 in the last."""
    t = np.asarray(t, dtype=np.float64)
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"t: found {t.min()}..{t.max()}, expected values in [0, 1].")
    return np.minimum((t * steps).astype(np.int64), steps - 1)


class NoiseSchedule(ABC):
    """x_t = alpha(t) x + sigma(t) eps, and the timestep that tells the network where it is."""

    prediction_type: str  # one of VARIANCE_PRESERVING, or FLOW

    @abstractmethod
    def timestep(self, t: Floats) -> NDArray:
        """What the network takes as its timestep."""

    @abstractmethod
    def alpha(self, t: Floats) -> Floats:
        """Signal level."""

    @abstractmethod
    def sigma(self, t: Floats) -> Floats:
        """Noise level."""

    @abstractmethod
    def snr(self, t: Floats) -> Floats:
        """Signal-to-noise ratio alpha^2 / sigma^2 (Kingma et al. 2021)."""

    @abstractmethod
    def dsnr_dt(self, t: Floats) -> Floats:
        """Derivative of the SNR with respect to t in [0, 1]; negative."""


@dataclass(frozen=True)
class VPSchedule(NoiseSchedule):
    """A variance-preserving noise schedule on T discrete timesteps."""

    alphas_cumprod: Floats  # [timestep]
    prediction_type: str  # what the network puts out: "epsilon", "v_prediction" or "sample"

    @property
    def steps(self) -> int:
        """T."""
        return len(self.alphas_cumprod)

    def timestep(self, t: Floats) -> NDArray[np.int64]:
        """Integer timesteps of `t` in [0, 1]: floor(t * T), with t = 1 in the last; each takes an equal share of U[0, 1]."""
        return share(t, self.steps)

    def alpha(self, t: Floats) -> Floats:
        """Signal level: x_t = alpha x + sigma eps."""
        return np.sqrt(self.alphas_cumprod[self.timestep(t)])

    def sigma(self, t: Floats) -> Floats:
        """Noise level, sqrt(1 - alpha^2)."""
        return np.sqrt(1.0 - self.alphas_cumprod[self.timestep(t)])

    def snr(self, t: Floats) -> Floats:
        """Signal-to-noise ratio alpha^2 / sigma^2 (Kingma et al. 2021)."""
        alpha_bar = self.alphas_cumprod[self.timestep(t)]
        return alpha_bar / (1.0 - alpha_bar)

    def dsnr_dt(self, t: Floats) -> Floats:
        """Derivative of the SNR with respect to t in [0, 1]; negative.

        As snr * d(log snr)/dt: the log-SNR is nearly linear in t, so central differences on the timesteps are accurate for it alone.
        Where a schedule ends in pure noise the logarithm ends at -inf, and differences of the SNR itself take over.
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

    def level(self, t: Floats) -> Floats:
        """u, the noise level before the shift: (k + 1) / T for the k-th share of [0, 1], FlowMatchEulerDiscreteScheduler's table."""
        return (share(t, self.steps) + 1) / self.steps

    def sigma(self, t: Floats) -> Floats:
        return shifted_sigma(self.level(t), self.shift)

    def alpha(self, t: Floats) -> Floats:
        return 1.0 - self.sigma(t)

    def timestep(self, t: Floats) -> Floats:
        """T sigma: not an integer, and after the shift, as the scheduler hands it to the network."""
        return self.steps * self.sigma(t)

    def snr(self, t: Floats) -> Floats:
        return (self.alpha(t) / self.sigma(t)) ** 2

    def dsnr_dt(self, t: Floats) -> Floats:
        """d snr/d sigma times d sigma/d u: -2 (1 - sigma) / sigma^3 times shift / (1 + (shift - 1) u)^2."""
        sigma, u = self.sigma(t), self.level(t)
        return -2 * (1 - sigma) / sigma**3 * self.shift / (1 + (self.shift - 1) * u) ** 2


def shifted_sigma(u: Floats, shift: float) -> Floats:
    """shift u / (1 + (shift - 1) u): more of [0, 1] at high noise for large images (Esser et al. 2024, equation 23)."""
    return shift * u / (1 + (shift - 1) * u)


def zero_terminal_snr(betas: Floats) -> Floats:
    """`betas` [timestep] rescaled so that sqrt(alpha_bar) ends at 0 and begins where it did (Lin et al. 2024, Algorithm 1)."""
    root = np.sqrt(np.cumprod(1.0 - betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root**2
    return 1.0 - np.concatenate([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])


def betas(config: dict[str, Any]) -> Floats:
    """The betas [timestep] of a diffusers scheduler configuration, recomputed in float64."""
    table = unscaled_betas(config)
    return zero_terminal_snr(table) if config.get("rescale_betas_zero_snr") else table


def unscaled_betas(config: dict[str, Any]) -> Floats:
    """The betas [timestep] before rescaling: trained ones, or those of a named schedule."""
    if config.get("trained_betas") is not None:
        return np.asarray(config["trained_betas"], dtype=np.float64)
    steps, kind = config.get("num_train_timesteps", STEPS), config.get("beta_schedule", "linear")
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
        "Other schedules need a branch in diffzero.diffusion.schedule.betas."
    )


def flow(config: dict[str, Any]) -> FlowSchedule:
    """The schedule of a FlowMatchEulerDiscreteScheduler's configuration. Raises ValueError for what it does not model."""
    for name in ("use_dynamic_shifting", "invert_sigmas", "shift_terminal"):
        if config.get(name):
            raise ValueError(
                f"scheduler: found {name}: {config[name]}, expected it absent or false. sigma then depends on more than t and "
                "`shift`; such a schedule needs a class beside diffzero.diffusion.schedule.FlowSchedule."
            )
    return FlowSchedule(config.get("num_train_timesteps", STEPS), config.get("shift", 1.0))


def variance_preserving(config: dict[str, Any]) -> VPSchedule:
    """The schedule of a scheduler with betas. Raises ValueError where x cannot be told from the network's output."""
    prediction_type = config.get("prediction_type", "epsilon")
    if prediction_type not in VARIANCE_PRESERVING:
        raise ValueError(
            f"scheduler: found prediction_type {prediction_type!r}, expected one of {', '.join(VARIANCE_PRESERVING)}."
        )
    if config.get("use_flow_sigmas"):
        raise ValueError(
            "scheduler: found use_flow_sigmas, expected it absent or false: the sampler then steps along a rectified flow, which is no "
            "schedule of betas. Write FlowMatchEulerDiscreteScheduler into the checkpoint's scheduler/scheduler_config.json."
        )
    if prediction_type == "epsilon" and config.get("rescale_betas_zero_snr"):
        raise ValueError(
            "scheduler: found rescale_betas_zero_snr with prediction_type epsilon, expected v_prediction or sample: alpha is 0 "
            "at t = 1, where eps says nothing of x. Correct the checkpoint's scheduler/scheduler_config.json."
        )
    return VPSchedule(np.cumprod(1.0 - betas(config)), prediction_type)


def read(folder: Path, part: str = "scheduler") -> NoiseSchedule:
    """The schedule of the checkpoint in `folder`, from its {part}/scheduler_config.json. Raises FileNotFoundError, ValueError."""
    path = folder / part / "scheduler_config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; expected a diffusers checkpoint folder (save_pretrained layout).")
    config = json.loads(path.read_text())
    name = config.get("_class_name", "DDPMScheduler")
    if name == "FlowMatchEulerDiscreteScheduler":
        return flow(config)
    # Samplers of one family of schedules: they differ in how they step, not in alpha and sigma.
    if name.startswith(("DDPM", "DDIM", "PNDM", "EulerDiscrete", "EulerAncestral", "DPMSolver", "LMS", "UniPC")):
        return variance_preserving(config)
    raise ValueError(
        f"{path}: found {name}, expected a scheduler with betas (DDPM, DDIM, PNDM, Euler, DPM-Solver...) or "
        "FlowMatchEulerDiscreteScheduler. Another kind needs a class in diffzero.diffusion.schedule."
    )
