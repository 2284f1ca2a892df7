"""A draw is a function of its noise key alone."""

import hashlib
import os
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import numpy as np
from scipy import stats

from diffzero.diffusion.draws import sample_draw, sample_time

NOISE_KEY = (7, "digits", "digit-0003", 12)
SHAPE = (8, 8, 8)
# Stored with NOISE_VERSION 1. If these change, stored scores belong to other draws: increase the version.
EPS_SHA256 = "9ae4a2acc1cc8c78f09db96b5e5604cd70378b9d1e3482d8e8fcaddc20f762c6"
T_HEX = "0x1.f847dd8913714p-1"


def test_a_stored_draw_is_reproduced():
    draw = sample_draw(*NOISE_KEY, SHAPE)
    assert draw.t.hex() == T_HEX
    assert hashlib.sha256(draw.eps.astype("<f4").tobytes()).hexdigest() == EPS_SHA256


def test_another_process_has_the_same_draws():
    code = (
        "import sys; from diffzero.diffusion.draws import sample_draw;"
        f"draw = sample_draw(*{NOISE_KEY!r}, {SHAPE!r}, prompt='a 3');"
        "sys.stdout.buffer.write(draw.t.hex().encode() + b' ' + draw.eps.tobytes())"
    )
    source = str(Path(__file__).parents[2] / "src")
    environment = os.environ | {"PYTHONHASHSEED": "99", "PYTHONPATH": source}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
    here = sample_draw(*NOISE_KEY, SHAPE, prompt="a 3")
    assert there == here.t.hex().encode() + b" " + here.eps.tobytes()


def test_a_draw_depends_neither_on_order_nor_on_repetition():
    first = sample_draw(*NOISE_KEY, SHAPE)
    for n in range(5):
        sample_draw(1, "other", "image", n, SHAPE)
    again = sample_draw(*NOISE_KEY, SHAPE)
    assert first.t == again.t and np.array_equal(first.eps, again.eps)


def test_different_noise_keys_have_different_draws():
    noise_keys = [
        (*a, p) for *a, p in product((0, 1), ("a", "b"), ("1", "2", "12"), (0, 1, 2), (None, "", "a 1", "a 2"))
    ]
    # Parts that would be the same bytes without separators.
    noise_keys += [
        (0, "a1", "", 0, None),
        (0, "", "a1", 0, None),
        (0, "a', '1", "", 0, None),
        (0, "a", "None", 0, None),
    ]
    draws = [sample_draw(*noise_key[:4], (4,), noise_key[4]) for noise_key in noise_keys]
    for a, b in combinations(range(len(draws)), 2):
        assert draws[a].t != draws[b].t, (noise_keys[a], noise_keys[b])
        assert not np.array_equal(draws[a].eps, draws[b].eps), (noise_keys[a], noise_keys[b])


def test_sample_time_is_the_time_of_the_draw_for_any_shape():
    for n in range(20):
        times = {sample_draw(3, "d", "i", n, shape, "p").t for shape in ((1,), (3, 24, 24), (4, 64, 64))}
        assert times == {sample_time(3, "d", "i", n, "p")}


def test_eps_has_the_given_shape_in_float32():
    eps = sample_draw(*NOISE_KEY, (3, 24, 24)).eps
    assert eps.shape == (3, 24, 24) and eps.dtype == np.float32


def test_times_are_uniform():
    times = np.array([sample_time(0, "digits", f"digit-{image}", n) for image in range(50) for n in range(100)])
    assert times.min() >= 0 and times.max() < 1
    assert stats.kstest(times, "uniform").pvalue > 0.01
    within = np.corrcoef(times[:-1], times[1:])[0, 1]
    assert abs(within) < 4 / np.sqrt(len(times))


def test_noise_is_standard_normal_and_uncorrelated_between_neighbouring_keys():
    neighbours = [(0, "d", "i", n, None) for n in range(12)] + [(s, "d", "i", 0, None) for s in range(1, 6)]
    neighbours += [(0, "d", f"i{k}", 0, None) for k in range(6)] + [(0, "d", "i", 0, f"a {k}") for k in range(6)]
    rows = np.stack([sample_draw(*noise_key[:4], (4096,), noise_key[4]).eps for noise_key in neighbours]).astype(
        np.float64
    )
    assert stats.kstest(rows.ravel(), "norm").pvalue > 0.01
    correlation = np.corrcoef(rows)[np.triu_indices(len(rows), 1)]
    # 406 correlations with a standard deviation of 1/64: the largest is expected at about 3 standard deviations
    assert np.abs(correlation).max() < 4.5 / 64
    assert abs(correlation.std() * 64 - 1) < 0.2


def test_time_and_noise_of_a_draw_are_uncorrelated():
    draws = [sample_draw(5, "d", "i", n, (16,)) for n in range(2000)]
    times = np.array([draw.t for draw in draws])
    eps = np.stack([draw.eps for draw in draws])
    correlation = [np.corrcoef(times, eps[:, k])[0, 1] for k in range(16)]
    assert np.abs(correlation).max() < 4 / np.sqrt(2000)
