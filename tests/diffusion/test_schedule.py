"""Schedules equal the tables of diffusers, computed in float64."""

import json
import math
import re

import diffusers
import numpy as np
import pytest
from diffusers import DDPMScheduler

from diffzero.diffusion import schedule
from diffzero.diffusion.schedule import VPSchedule

# As shipped with the checkpoints: Stable Diffusion v1.4, DeepFloyd IF-I, and DDPM's.
CONFIGS = {
    "sd": {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "if": {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "beta_end": 0.02},
    "ddpm": {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    "short": {"num_train_timesteps": 50, "beta_schedule": "linear", "beta_start": 0.002, "beta_end": 0.2},
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def make_schedule(config: dict) -> VPSchedule:
    return VPSchedule(np.cumprod(1 - schedule.betas(config)), "epsilon")


def middles(steps: int) -> np.ndarray:
    """Return the middle of each timestep."""
    return (np.arange(steps) + 0.5) / steps


@every_config
def test_the_table_equals_diffusers_up_to_float32_rounding(config):
    reference = DDPMScheduler(**config)
    # torch.linspace in fp32, squared once for scaled_linear: some units in the last place of fp32 (6e-8)
    np.testing.assert_allclose(schedule.betas(config), reference.betas.double().numpy(), rtol=5e-7)
    ours, theirs = make_schedule(config).alphas_cumprod, reference.alphas_cumprod.double().numpy()
    assert ours.dtype == np.float64
    # The error of each factor 1 - beta is at most half a unit at 1 plus the rounding of beta; the errors add up.
    unit = 2.0**-24
    bound = np.cumsum((2 * unit + 8 * unit * schedule.betas(config)) / (1 - schedule.betas(config)))
    assert (np.abs(theirs / ours - 1) <= bound).all()


@every_config
def test_signal_and_noise_have_unit_power(config):
    noise = make_schedule(config)
    t = middles(config["num_train_timesteps"])
    np.testing.assert_allclose(noise.alpha(t) ** 2 + noise.sigma(t) ** 2, 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(noise.snr(t), noise.alpha(t) ** 2 / noise.sigma(t) ** 2, rtol=1e-11)


@every_config
def test_noise_rises_and_snr_falls(config):
    noise = make_schedule(config)
    t = middles(config["num_train_timesteps"])
    assert (np.diff(noise.sigma(t)) > 0).all() and (np.diff(noise.snr(t)) < 0).all()
    assert (noise.dsnr_dt(t) < 0).all()


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("sd", 0.00085),
        ("ddpm", 0.0001),
        ("if", 1 - math.cos(0.009 / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2),
    ],
)
def test_sigma_at_0_keeps_the_digits_that_half_precision_loses(name, first):
    noise = make_schedule(CONFIGS[name])
    exact = math.sqrt(first)
    assert noise.sigma(np.array([0.0]))[0] == pytest.approx(exact, rel=1e-11)
    # The same in float16, as diffusers' add_noise computes it for half-precision inputs.
    half = np.sqrt(np.float16(1) - np.float16(noise.alphas_cumprod[0]))
    assert abs(half / exact - 1) > 0.03


@every_config
def test_a_timestep_starts_at_its_part_of_t_and_t_1_is_in_the_last(config):
    noise, steps = make_schedule(config), config["num_train_timesteps"]
    begins = np.arange(steps) / steps
    # Rounding can make t * T less than k (29/50 * 50 is), but not with the 1000 timesteps of the real models.
    assert noise.timestep(begins if steps == 1000 else begins + 1e-12).tolist() == list(range(steps))
    assert noise.timestep(begins[1:] - 1e-9).tolist() == list(range(steps - 1))
    assert noise.timestep(np.array([0.0, 1e-12, 1 - 1e-12, 1.0])).tolist() == [0, 0, steps - 1, steps - 1]
    assert noise.timestep(np.array([0.5])).dtype == np.int64


def test_every_timestep_covers_an_equal_part_of_t():
    steps = make_schedule(CONFIGS["sd"]).timestep(np.linspace(0, 1, 100_000, endpoint=False))
    assert np.bincount(steps).tolist() == [100] * 1000


@pytest.mark.parametrize("t", [-1e-9, 1 + 1e-9, math.nan, math.inf])
def test_t_outside_0_to_1_is_refused(t):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        make_schedule(CONFIGS["sd"]).timestep(np.array([0.5, t]))


@pytest.mark.parametrize("name", ["sd", "if", "ddpm"])
def test_dsnr_dt_is_the_slope_of_the_snr(name):
    noise = make_schedule(CONFIGS[name])
    t = middles(1000)
    snr = noise.snr(t)
    differences = (snr[2:] - snr[:-2]) * 500  # per unit of t
    inside = slice(60, 940)  # near t = 0 the curvature of the SNR makes its differences inaccurate
    np.testing.assert_allclose(noise.dsnr_dt(t)[1:-1][inside], differences[inside], rtol=3e-3)


def test_dsnr_dt_of_the_cosine_schedule_is_the_analytic_derivative():
    noise = make_schedule(CONFIGS["if"])
    t = middles(1000)
    # alpha_bar of timestep i is f(u) / f(0) at u = (i + 1) / 1000, f(u) = cos^2(pi/2 (u + s) / (1 + s))
    angle = (np.arange(1, 1001) / 1000 + 0.008) / 1.008 * math.pi / 2
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    alpha_bar = np.cos(angle) ** 2 / start
    slope = -math.pi / 2 / 1.008 * np.sin(2 * angle) / start / (1 - alpha_bar) ** 2
    inside = slice(20, 980)
    np.testing.assert_allclose(noise.dsnr_dt(t)[inside], slope[inside], rtol=2e-3)


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'sigmoid', expected linear, scaled_linear or squaredcos_cap_v2"):
        schedule.betas({"num_train_timesteps": 1000, "beta_schedule": "sigmoid"})


def test_a_rescaled_schedule_equals_diffusers_and_is_refused_for_eps():
    config = CONFIGS["sd"] | {"rescale_betas_zero_snr": True}
    theirs = DDPMScheduler.from_config(config | {"prediction_type": "v_prediction"}).alphas_cumprod.numpy()
    ours = schedule.make_vp_schedule(config | {"prediction_type": "v_prediction"}).alphas_cumprod
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert ours[-1] == 0 and schedule.betas(config | {"rescale_betas_zero_snr": False})[-1] < 1
    with pytest.raises(ValueError, match="found rescale_betas_zero_snr with prediction_type epsilon"):
        schedule.make_vp_schedule(config | {"prediction_type": "epsilon"})


def test_trained_betas_are_used_unchanged():
    assert schedule.betas({"trained_betas": [0.1, 0.2], "num_train_timesteps": 2}).tolist() == [0.1, 0.2]


@pytest.mark.parametrize(("fixture", "config"), [("tiny_sd", "sd"), ("tiny_if", "if")])
def test_the_schedule_of_a_checkpoint_is_read(fixture, config, request):
    read = schedule.read_schedule(request.getfixturevalue(fixture))
    assert np.array_equal(read.alphas_cumprod, make_schedule(CONFIGS[config]).alphas_cumprod)
    assert read.prediction_type == "epsilon"


def test_the_prediction_type_is_read_and_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="scheduler_config.json"):
        schedule.read_schedule(tmp_path)
    (tmp_path / "scheduler").mkdir()
    config = CONFIGS["sd"] | {"prediction_type": "v_prediction"}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    assert schedule.read_schedule(tmp_path).prediction_type == "v_prediction"


@pytest.mark.parametrize("name", ["DDPMScheduler", "FlowMatchEulerDiscreteScheduler"])
def test_a_configuration_without_a_number_of_steps_has_diffusers_default(name, tmp_path):
    scheduler_dir = tmp_path / "scheduler"
    scheduler_dir.mkdir()
    (scheduler_dir / "scheduler_config.json").write_text(json.dumps({"_class_name": name}))
    assert schedule.read_schedule(tmp_path).steps == getattr(diffusers, name)().config.num_train_timesteps


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "KarrasVeScheduler"},
        {"prediction_type": "score"},
        {"beta_schedule": "sigmoid"},
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": True},
        {"rescale_betas_zero_snr": True},
    ],
)
def test_a_refused_scheduler_is_named_by_its_file(config, tmp_path):
    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: .*expected .*"):
        schedule.read_schedule(tmp_path)


def test_use_flow_sigmas_is_refused(tmp_path):
    diffusers.DPMSolverMultistepScheduler(use_flow_sigmas=True).save_pretrained(tmp_path / "scheduler")
    with pytest.raises(ValueError, match="found use_flow_sigmas"):
        schedule.read_schedule(tmp_path)
