"""alpha(t), sigma(t), snr(t) and dsnr/dt in float64, from the scheduler configuration that a checkpoint ships.

float64 and not diffusers' own fp32 tables: `sqrt(1 - alpha_bar)` loses its digits near t = 0, where `exp(-7t)` weighs most.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """A variance-preserving noise schedule on T discrete timesteps."""

    alphas_cumprod: Floats  # [timestep]
    prediction_type: str  # what the network puts out: "epsilon", "v_prediction" or "sample"

    def timestep(self, t: Floats) -> NDArray[np.int64]:
        """Integer timesteps of `t` in [0, 1]: floor(t * T), with t = 1 in the last; each takes an equal share of U[0, 1]."""
        t = np.asarray(t, dtype=np.float64)
        if not ((t >= 0) & (t <= 1)).all():
            raise ValueError(f"t: found {t.min()}..{t.max()}, expected values in [0, 1].")
        steps = len(self.alphas_cumprod)
        return np.minimum((t * steps).astype(np.int64), steps - 1)

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
        """
        log_snr = np.log(self.alphas_cumprod) - np.log1p(-self.alphas_cumprod)
        slope = np.gradient(log_snr, 1.0 / len(log_snr))
        return self.snr(t) * slope[self.timestep(t)]


def betas(config: dict[str, Any]) -> Floats:
    """The betas [timestep] of a diffusers scheduler configuration, recomputed in float64."""
    if config.get("rescale_betas_zero_snr"):
        raise ValueError(
            "scheduler: found rescale_betas_zero_snr, expected it absent or false: alpha is then 0 at t = 1 and x0 has no "
            "meaning for an eps model. Such a schedule needs a branch in diffzero.schedule.betas."
        )
    if config.get("trained_betas") is not None:
        return np.asarray(config["trained_betas"], dtype=np.float64)
    steps, kind = config["num_train_timesteps"], config.get("beta_schedule", "linear")
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
        "Other schedules need a branch in diffzero.schedule.betas."
    )


def read(folder: Path) -> Schedule:
    """The schedule of the checkpoint in `folder`, read from its scheduler/scheduler_config.json."""
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; expected a diffusers checkpoint folder (save_pretrained layout).")
    config = json.loads(path.read_text())
    return Schedule(np.cumprod(1.0 - betas(config)), config.get("prediction_type", "epsilon"))
