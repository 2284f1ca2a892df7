"""Each weighting has the properties that its equation implies."""

import math

import numpy as np
import pytest
import torch

from diffzero.diffusion import schedule
from diffzero.diffusion.schedule import VPSchedule
from diffzero.diffusion.weighting import VDM, WEIGHTINGS, Heuristic, Simple, Weighting, make_weight_fns, parse_weighting
from diffzero.models.base import predict_x0

SD = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
IF = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"}
both = pytest.mark.parametrize("config", [SD, IF], ids=["sd", "if"])


def make_schedule(config: dict) -> VPSchedule:
    return VPSchedule(np.cumprod(1 - schedule.betas(config)), "epsilon")


def test_heuristic_is_1_at_0_and_falls_exponentially():
    noise = make_schedule(SD)
    for decay in (0.0, 6.0, 7.0):
        weight = Heuristic(decay=decay).weight(np.array([0.0, 0.25, 0.5, 1.0]), noise)
        assert weight[0] == 1.0
        assert weight[2] == pytest.approx(weight[1] ** 2, rel=1e-14)
        assert weight[3] == pytest.approx(math.exp(-decay), rel=1e-14)
    assert Heuristic().weight(np.float32([0.1]), noise).dtype == np.float64


@both
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_simple_on_the_x_error_is_the_eps_error(config, prediction_type):
    noise, t = make_schedule(config), np.array([0.0, 0.01, 0.3, 0.7, 0.95])
    generator = torch.Generator().manual_seed(0)
    x, eps, output = (torch.randn(5, 3, 8, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    alpha, sigma = (torch.from_numpy(level(t)).view(-1, 1, 1, 1) for level in (noise.alpha, noise.sigma))
    x_t = alpha * x + sigma * eps
    x_hat = predict_x0(prediction_type, x_t, output, alpha, sigma)
    eps_hat = output if prediction_type == "epsilon" else (x_t - alpha * x_hat) / sigma
    x_error, eps_error = ((a - b).pow(2).sum((1, 2, 3)).numpy() for a, b in ((x, x_hat), (eps, eps_hat)))
    np.testing.assert_allclose(Simple().weight(t, noise) * x_error, eps_error, rtol=1e-7)


@both
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_network_reproduces_x(config, prediction_type):
    noise, t = make_schedule(config), np.linspace(0, 0.98, 50)
    generator = torch.Generator().manual_seed(1)
    x, eps = (torch.randn(50, 3, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    alpha, sigma = (torch.from_numpy(level(t)).view(-1, 1, 1, 1) for level in (noise.alpha, noise.sigma))
    perfect = {"epsilon": eps, "v_prediction": alpha * eps - sigma * x, "sample": x}[prediction_type]
    x_hat = predict_x0(prediction_type, alpha * x + sigma * eps, perfect, alpha, sigma)
    torch.testing.assert_close(x_hat, x, rtol=1e-9, atol=1e-9)


def test_an_unknown_prediction_type_is_named_in_the_error():
    with pytest.raises(ValueError, match="'edm', expected epsilon, v_prediction, sample or flow"):
        predict_x0("edm", *torch.ones(4, 1))


@both
def test_vdm_is_positive_and_integrates_to_the_decrease_of_the_snr(config):
    noise, t = make_schedule(config), (np.arange(1000) + 0.5) / 1000
    weight = VDM().weight(t, noise)
    assert (weight > 0).all()
    snr = noise.snr(t)
    # The integral of |SNR'| between two times is the decrease of the SNR between them.
    assert np.trapezoid(weight[60:940], t[60:940]) == pytest.approx(snr[60] - snr[939], rel=3e-3)


@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_every_weighting_is_finite_and_positive_at_both_ends(kind):
    for config in (SD, IF):
        weight = WEIGHTINGS[kind]().weight(np.array([0.0, 0.5, 1.0]), make_schedule(config))
        assert weight.dtype == np.float64 and np.isfinite(weight).all() and (weight > 0).all()


def test_every_weighting_is_in_the_registry_and_has_a_slug_of_its_own():
    assert set(Weighting.__subclasses__()) == set(WEIGHTINGS.values())
    slugs = [weighting().slug for weighting in WEIGHTINGS.values()]
    assert len(set(slugs)) == len(slugs) and Heuristic(decay=6.5).slug == "heuristic-6.5"


@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_a_weighting_is_restored_from_its_plain_values(kind):
    weighting = WEIGHTINGS[kind]()
    assert parse_weighting(weighting.model_dump()) == weighting


def test_the_weight_functions_of_all_kinds_use_the_parameters_of_the_own_weighting():
    noise, t = make_schedule(SD), np.array([0.1, 0.9])
    functions = make_weight_fns(Heuristic(decay=3.0), noise)
    assert list(functions) == list(WEIGHTINGS)
    np.testing.assert_array_equal(functions["heuristic"](t), Heuristic(decay=3.0).weight(t, noise))
    np.testing.assert_array_equal(make_weight_fns(VDM(), noise)["heuristic"](t), Heuristic().weight(t, noise))
