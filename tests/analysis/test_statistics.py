"""Intervals and tests against closed formulae, scipy, and values from the literature."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffzero.analysis.statistics import (
    binomial_pvalue,
    holm_adjust,
    mean_difference_interval,
    proportion_difference_interval,
    wilson_interval,
)

Z95 = 1.959963984540054  # standard normal quantile of 0.975
FAMILIES = [[0.03], [0.0, 1.0], [0.01, 0.01, 0.04, 0.03], [0.5, 0.5], list(np.random.default_rng(1).random(20) ** 4)]


@pytest.mark.parametrize(("successes", "n"), [(87, 100), (0, 10), (10, 10), (1, 3), (612.5, 1000)])
def test_wilson_interval_equals_its_closed_formula(successes: float, n: int) -> None:
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    assert wilson_interval(successes, n) == pytest.approx((centre - half, centre + half), abs=1e-12)


@settings(deadline=None)  # the first call loads half of scipy
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy_and_is_symmetric(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson_interval(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_empty_samples_give_nan_and_impossible_counts_raise() -> None:
    assert np.isnan(wilson_interval(0, 0)).all()
    assert math.isnan(binomial_pvalue(0, 0))
    assert np.isnan(proportion_difference_interval(0, 0, 3, 4)).all()
    with pytest.raises(ValueError, match="found 5 successes of 4"):
        wilson_interval(5, 4)


def test_proportion_difference_reproduces_newcombes_published_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10, contrast (a): 56/70 - 48/80.
    assert proportion_difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("successes", "n", "pvalue"), [(5, 10, 1.0), (10, 10, 2 / 2**10), (9, 10, 22 / 2**10)])
def test_binomial_test_counts_both_tails(successes: int, n: int, pvalue: float) -> None:
    assert binomial_pvalue(successes, n) == pytest.approx(pvalue)
    assert binomial_pvalue(n - successes, n) == pytest.approx(pvalue)


def test_binomial_test_accepts_other_chance_levels() -> None:
    # Three of three at chance 0.1: no other outcome is as improbable.
    assert binomial_pvalue(3, 3, chance=0.1) == pytest.approx(0.001)


@pytest.mark.parametrize("pvalues", FAMILIES, ids=len)
def test_holm_adjustment_equals_the_step_down_procedure(pvalues: list[float]) -> None:
    running, expected = 0.0, [0.0] * len(pvalues)
    for rank, index in enumerate(sorted(range(len(pvalues)), key=pvalues.__getitem__)):
        running = max(running, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        expected[index] = running
    np.testing.assert_allclose(holm_adjust(pvalues), expected, rtol=1e-12, atol=0)


def test_holm_adjustment_ignores_missing_tests() -> None:
    np.testing.assert_allclose(holm_adjust([0.01, math.nan, 0.04]), [0.02, math.nan, 0.04])
    assert np.isnan(holm_adjust([math.nan])).all()


def test_mean_difference_interval_equals_that_of_scipys_paired_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=30), rng.normal(0.3, size=30)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert mean_difference_interval(first - second)[1:] == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_mean_difference_interval_of_no_one_and_equal_values() -> None:
    assert np.isnan(mean_difference_interval([])).all()
    mean, low, high = mean_difference_interval([2.0])
    assert mean == 2.0 and math.isnan(low) and math.isnan(high)
    assert mean_difference_interval([1.5, 1.5, 1.5]) == (1.5, 1.5, 1.5)
