"""Paired tests, bootstrap and variance components against scipy and statsmodels; simulated coverage of 95 % intervals."""

import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from diffzero.analysis import statistics
from diffzero.analysis.statistics import (
    bootstrap_interval,
    clustered_wilson_interval,
    mcnemar_pvalue,
    sign_flip_pvalue,
    variance_components,
)

SIMULATIONS = 10_000


def outcomes(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(n) < 0.7, rng.random(n) < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_equals_statsmodels_exact_test(seed: int) -> None:
    a, b = outcomes(seed)
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert mcnemar_pvalue(a, b) == pytest.approx(reference_mcnemar(table, exact=True).pvalue, rel=1e-12)


def test_mcnemar_of_equal_outcomes_is_one_and_lengths_must_agree() -> None:
    assert mcnemar_pvalue([True, False], [True, False]) == 1
    with pytest.raises(ValueError, match="same items for both"):
        mcnemar_pvalue([True], [True, False])


def test_bootstrap_agrees_with_scipys_percentile_bootstrap() -> None:
    a, b = outcomes(0, 200)
    gap = a.astype(float) - b.astype(float)
    reference = stats.bootstrap((gap,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    mean, low, high = bootstrap_interval(gap)
    assert mean == gap.mean()
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.012)
    assert bootstrap_interval(gap) == (mean, low, high)


def test_resampling_clusters_widens_the_interval_of_dependent_items() -> None:
    values = np.repeat([1.0, 0.0] * 20, 10)
    alone, together = bootstrap_interval(values), bootstrap_interval(values, np.repeat(np.arange(40), 10))
    assert together[2] - together[1] == pytest.approx(math.sqrt(10) * (alone[2] - alone[1]), rel=0.15)
    assert all(map(math.isnan, bootstrap_interval([])))


def test_sign_flips_of_single_items_equal_mcnemars_test() -> None:
    a, b = outcomes(3)
    flipped = sign_flip_pvalue(a.astype(float) - b.astype(float), np.arange(len(a)))
    assert flipped == pytest.approx(mcnemar_pvalue(a, b), rel=1e-12)


def test_sign_flips_agree_with_scipys_permutation_test_on_clusters() -> None:
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(9), 4)
    for seeds in (1, 2, 3):  # differences of means over seeds are thirds, or halves as from 1/2
        gap = rng.choice([-1.0, 0.0, 1.0], (36, seeds), p=[0.2, 0.4, 0.4]).mean(axis=1)
        for differences in (gap, gap - 0.5):
            totals = np.bincount(clusters, weights=differences)
            reference = stats.permutation_test(
                (totals, -totals), lambda x, y: np.round(x.sum() - y.sum(), 9), permutation_type="samples"
            )
            assert sign_flip_pvalue(differences, clusters) == pytest.approx(reference.pvalue, rel=1e-9)


def test_sign_flips_of_a_thousand_scenes_are_precise_and_fast() -> None:
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 1500, 20_000)
    gap = rng.choice([-1.0, 0.0, 1.0], 20_000, p=[0.22, 0.53, 0.25])
    start = time.process_time()
    pvalue = sign_flip_pvalue(gap, clusters)
    assert time.process_time() - start < 5 and pvalue < 1e-8
    # With this many scenes the total is nearly normal.
    totals = np.bincount(clusters, weights=gap)
    normal = 2 * stats.norm.sf((totals.sum() - 1) / math.sqrt((totals**2).sum()))
    assert pvalue == pytest.approx(normal, rel=0.3)
    assert sign_flip_pvalue(np.zeros(5), np.arange(5)) == 1
    with pytest.raises(ValueError, match="at most 500 seeds"):
        sign_flip_pvalue(rng.normal(size=9), np.arange(9))


def test_variance_components_recover_known_parts() -> None:
    rng = np.random.default_rng(0)
    chance = rng.beta(2, 1, size=20_000)  # an image's chance to be right: between images
    right = rng.random((20_000, 3)) < chance[:, None]
    found = variance_components(right)
    assert found.sd_noise == pytest.approx(math.sqrt((chance * (1 - chance)).mean() / 20_000), rel=0.03)
    assert found.sd_images == pytest.approx(chance.std() / math.sqrt(20_000), rel=0.03)


def test_variance_over_seeds_and_splits_equals_that_of_repetitions() -> None:
    rng = np.random.default_rng(0)
    seeds, subsets = [], []
    chance = rng.choice([0.2, 0.95], size=400)
    for k in range(300):
        found = variance_components(rng.random((400, 4)) < chance[:, None], seed=k)
        seeds.append(found.sd_seeds)
        subsets.append(found.sd_splits)
    expected = math.sqrt((chance * (1 - chance)).mean() / 400)
    assert np.sqrt(np.mean(np.square(seeds))) == pytest.approx(expected, rel=0.06)
    both = math.sqrt(chance.mean() * (1 - chance.mean()) / 400)
    assert np.sqrt(np.mean(np.square(subsets))) == pytest.approx(both, rel=0.08)


def test_one_seed_does_not_separate_noise_from_images() -> None:
    found = variance_components(np.ones((10, 1)))
    assert (
        math.isnan(found.sd_noise)
        and math.isnan(found.sd_images)
        and math.isnan(found.sd_seeds)
        and found.sd_splits == 0
    )
    assert all(map(math.isnan, variance_components(np.ones((1, 2)))))


def coverage(interval, truth: np.ndarray) -> float:
    """Return the share of simulated data sets k for which interval(k) contains truth[k]."""
    low, high = np.array([interval(k)[-2:] for k in range(len(truth))]).T
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("n", [30, 100, 1000, 4096])
def test_wilson_interval_covers_95_percent(n: int) -> None:
    rng = np.random.default_rng(n)
    # Many rates, because at a single rate the coverage of any interval of counts jumps with n.
    truth = rng.uniform(0.05, 0.95, SIMULATIONS)
    right = rng.binomial(n, truth)
    assert 0.93 <= coverage(lambda k: statistics.wilson_interval(int(right[k]), n), truth) <= 0.97


def test_the_difference_of_two_proportions_covers_95_percent() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.1, 0.9, (2, SIMULATIONS))
    first, second = rng.binomial(200, p), rng.binomial(1000, q)
    interval = lambda k: statistics.proportion_difference_interval(int(first[k]), 200, int(second[k]), 1000)  # noqa: E731
    assert 0.93 <= coverage(interval, p - q) <= 0.97


def test_students_interval_covers_95_percent() -> None:
    values = np.random.default_rng(2).normal(1.0, 2.0, (SIMULATIONS, 20))
    assert 0.93 <= coverage(lambda k: statistics.mean_difference_interval(values[k]), np.ones(SIMULATIONS)) <= 0.97


def test_clusters_of_one_decision_give_wilsons_interval_up_to_students_factor() -> None:
    right = np.arange(40) < 30
    share, low, high = clustered_wilson_interval(right, np.arange(40))
    assert share == 0.75
    assert (low, high) == pytest.approx(statistics.wilson_interval(30, 40), abs=0.01)
    assert clustered_wilson_interval([1] * 20, np.arange(20) // 4)[1] == pytest.approx(
        statistics.wilson_interval(5, 5)[0]
    )
    assert all(map(math.isnan, clustered_wilson_interval([], [])))


@pytest.mark.parametrize("clusters", [12, 60])
def test_clustered_wilson_covers_95_percent_where_plain_wilson_does_not(clusters: int) -> None:
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.3, 0.7, SIMULATIONS)
    chance = rng.beta(
        2 * truth[:, None], 2 * (1 - truth[:, None]), (SIMULATIONS, clusters)
    )  # intraclass correlation 1/3
    right = rng.random((SIMULATIONS, clusters, 6)) < chance[..., None]
    names = np.repeat(np.arange(clusters), 6)
    found = coverage(lambda k: clustered_wilson_interval(right[k].ravel(), names), truth)
    plain = coverage(lambda k: statistics.wilson_interval(int(right[k].sum()), clusters * 6), truth)
    assert 0.93 <= found <= 0.97 and plain < 0.85


@pytest.mark.parametrize("shared", [0.02, 1 / 3, 0.8])
def test_the_interval_of_several_seeds_covers_95_percent_at_any_correlation(shared: float) -> None:
    rng = np.random.default_rng(7)
    images, size = 60, 1 / shared - 1  # a beta of this size gives the seeds of an image this correlation
    truth = rng.uniform(0.2, 0.8, SIMULATIONS)
    chance = rng.beta(size * truth[:, None], size * (1 - truth[:, None]), (SIMULATIONS, images))
    right = rng.random((SIMULATIONS, images, 3)) < chance[..., None]
    names = np.repeat(np.arange(images), 3)
    assert 0.93 <= coverage(lambda k: clustered_wilson_interval(right[k].ravel(), names), truth) <= 0.97


@pytest.mark.parametrize(("n", "repeats"), [(120, 1), (120, 4), (30, 1)])
def test_the_bootstrap_of_a_paired_difference_covers_95_percent(n: int, repeats: int, monkeypatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 600)  # the quantiles of 10,000 intervals average out
    rng = np.random.default_rng(3)
    p, q = rng.uniform(0.2, 0.8, (2, SIMULATIONS))
    first, second = rng.random((SIMULATIONS, n)) < p[:, None], rng.random((SIMULATIONS, n)) < q[:, None]
    gap = np.repeat(first.astype(float) - second.astype(float), repeats, axis=1)
    clusters = np.repeat(np.arange(n), repeats) if repeats > 1 else None
    assert 0.93 <= coverage(lambda k: bootstrap_interval(gap[k], clusters, seed=k), p - q) <= 0.97


def test_levels_hold_under_a_true_null_hypothesis() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 4000, 50)) < 0.6
    rejected = np.mean([mcnemar_pvalue(a[k], b[k]) < 0.05 for k in range(4000)])
    assert rejected <= 0.055
    chance = rng.binomial(1000, 0.5, SIMULATIONS)
    assert np.mean([statistics.binomial_pvalue(int(k), 1000) < 0.01 for k in chance]) <= 0.012
