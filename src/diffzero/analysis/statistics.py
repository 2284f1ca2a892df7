"""Intervals and tests behind the tables: thin, validated wrappers around scipy and statsmodels, all in float64.

scipy.stats and statsmodels are imported in the functions that call them: a figure that needs none of them starts a second earlier.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Interval = tuple[float, float]
RESAMPLES = 2000


class VarianceComponents(NamedTuple):
    """Standard deviations of an accuracy in [0, 1], by cause; nan where the data do not determine them."""

    sd_seeds: float
    """Of the accuracy of one seed, as observed over the seeds: the same images with new noise."""
    sd_noise: float
    """The part of the accuracy's error that new noise would change, from the variance within images."""
    sd_images: float
    """The part of the accuracy's error that other images would change, from the variance between images."""
    sd_splits: float
    """Of the accuracy on random splits of the images, scaled to all images: both parts together, as in Appendix C."""


def _check_counts(successes: float, n: float) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"found {successes} successes of {n}, expected 0 <= successes <= n; check what was counted.")


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion.

    Parameters
    ----------
    successes
        Number of successes; fractional if some are means over seeds.
    n
        Number of trials; may be fractional, e.g. an effective sample size.

    Returns
    -------
    (low, high) in [0, 1]; (nan, nan) for n = 0.

    Raises
    ------
    ValueError
        Unless 0 <= successes <= n.

    Notes
    -----
    The interval is not conservative: its coverage is near `level` on average. Unlike the normal interval it remains valid at 0 and n.
    """
    from statsmodels.stats.proportion import proportion_confint

    _check_counts(successes, n)
    if n == 0:
        return math.nan, math.nan
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def proportion_difference_interval(
    successes: float, n: float, other_successes: float, other_n: float, level: float = 0.95
) -> Interval:
    """Return Newcombe's interval of the first proportion minus the other one, for independent samples.

    Newcombe's method combines the two Wilson intervals, so it agrees with the intervals that the tables show.

    Returns
    -------
    (low, high); (nan, nan) where a sample is empty.

    Raises
    ------
    ValueError
        Unless 0 <= successes <= n for both samples.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    _check_counts(successes, n)
    _check_counts(other_successes, other_n)
    if n == 0 or other_n == 0:
        return math.nan, math.nan
    low, high = confint_proportions_2indep(
        successes, n, other_successes, other_n, method="newcomb", compare="diff", alpha=1 - level
    )
    return float(low), float(high)


def binomial_pvalue(successes: int, n: int, chance: float = 0.5) -> float:
    """Return the two-sided exact p-value of `successes` of `n` under `chance` (the test of Table 3); nan for n = 0."""
    from scipy import stats

    _check_counts(successes, n)
    return float(stats.binomtest(successes, n, chance).pvalue) if n else math.nan


def holm_adjust(pvalues: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Holm's adjusted p-values [test]; a test is significant family-wise where its value is below the level.

    nan stays nan and does not count as a test.
    """
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(pvalues, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def mean_difference_interval(differences: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of paired differences [n] with Student's t interval.

    Returns
    -------
    (mean, low, high) in the unit of the differences; (mean, nan, nan) for n = 1, three nan for n = 0. Equal differences
    have an interval of width 0.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = values.size
    if n < 2:
        return (float(values[0]) if n else math.nan), math.nan, math.nan
    mean = float(values.mean())
    # Not scipy.stats.t.interval: it returns nan for zero variance, where the interval is known exactly.
    half = float(stdtrit(n - 1, (1 + level) / 2) * (values.std(ddof=1) / np.sqrt(n)))
    return mean, mean - half, mean + half


def mcnemar_pvalue(first: ArrayLike, second: ArrayLike) -> float:
    """Return the two-sided exact p-value of McNemar's test on two paired outcomes [n]; 1 where they never differ.

    The null hypothesis is that both are correct equally often.

    Raises
    ------
    ValueError
        For outcomes of different length.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"paired outcomes: found shapes {a.shape} and {b.shape}, expected the same items for both.")
    wins, losses = int((a & ~b).sum()), int((~a & b).sum())
    return binomial_pvalue(wins, wins + losses) if wins + losses else 1.0


def bootstrap_interval(
    values: ArrayLike, clusters: ArrayLike | None = None, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of values [n] with its percentile bootstrap interval.

    Parameters
    ----------
    values
        For example paired differences of correctness.
    clusters
        Labels [n] of the independent units, for example the image that several items share: whole clusters are resampled.
    seed
        The same seed gives the same interval.

    Returns
    -------
    (mean, low, high); three nan for n = 0.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        return math.nan, math.nan, math.nan
    _, index = np.unique(np.arange(values.size) if clusters is None else np.asarray(clusters), return_inverse=True)
    totals = np.stack([np.bincount(index, weights=values), np.bincount(index)], axis=1)  # [cluster, (sum, count)]
    # Drawing n clusters is drawing how often each distinct (sum, count) occurs: exact, and small for binary outcomes.
    distinct, counts = np.unique(totals, axis=0, return_counts=True)
    n = int(counts.sum())
    draws = np.random.default_rng(seed).multinomial(n, counts / n, size=RESAMPLES)  # [resample, distinct]
    resampled = draws @ distinct  # [resample, (sum, count)]
    low, high = np.quantile(resampled[:, 0] / resampled[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), float(low), float(high)


def clustered_wilson_interval(
    correct: ArrayLike, clusters: ArrayLike, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the share of correct decisions [n] in clusters [n] with Wilson's interval at the effective sample size.

    The variance between clusters determines the effective sample size. If all decisions are correct, or none, it is the number of
    clusters, and the interval, unlike the bootstrap's, still has a width.

    Returns
    -------
    (share, low, high); three nan for n = 0.

    References
    ----------
    Korn & Graubard (1998), Survey Methodology 24.
    """
    from statsmodels.stats.proportion import proportion_confint

    values = np.asarray(correct, dtype=np.float64)
    if values.size == 0:
        return math.nan, math.nan, math.nan
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    share, count = float(values.mean()), int(index.max()) + 1
    effective_n = float(count)
    if count > 1 and 0 < share < 1:
        totals = np.bincount(index, weights=values - share)
        variance = count / (count - 1) * float(totals @ totals) / values.size**2
        few_clusters = -ndtri((1 - level) / 2) / -stdtrit(count - 1, (1 - level) / 2)
        # At most the number of decisions: with few clusters the variance is sometimes far too small by chance.
        effective_n = min(share * (1 - share) / variance if variance else math.inf, values.size) * few_clusters**2
    low, high = proportion_confint(share * effective_n, effective_n, alpha=1 - level, method="wilson")
    # Rounding can put a bound of 0 or 1 one last bit inside the share: an error bar would have a negative length.
    return share, min(float(low), share), max(float(high), share)


def sign_flip_pvalue(differences: ArrayLike, clusters: ArrayLike) -> float:
    """Return the two-sided exact p-value that paired differences [n] have mean 0, by swapping the sides of whole clusters.

    It generalises McNemar's test to several items per image. The differences are of binary outcomes or of their means over seeds, so
    that the sums over clusters are multiples of a unit. The distribution of their signed total then follows by convolution.

    Raises
    ------
    ValueError
        For differences without such a unit.
    """
    differences = np.asarray(differences, dtype=np.float64)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    totals = np.bincount(index, weights=differences)
    unit = math.lcm(*(Fraction(total).limit_denominator(1000).denominator for total in np.unique(totals).tolist()))
    steps = np.rint(totals * min(unit, 1000)).astype(np.int64)
    if not np.allclose(steps, totals * unit, atol=1e-6):
        raise ValueError(
            f"paired differences: found cluster sums such as {totals[0]}, expected means over at most 500 seeds."
        )
    probability = np.ones(1)  # [signed total + the largest one]
    for step in np.abs(steps[steps != 0]):
        probability = np.pad(probability / 2, (0, 2 * step)) + np.pad(probability / 2, (2 * step, 0))
    signed = np.arange(len(probability)) - len(probability) // 2
    return min(float(probability[np.abs(signed) >= abs(steps.sum())].sum()), 1.0)


def variance_components(correct: ArrayLike, splits: int = 4, seed: int = 0) -> VarianceComponents:
    """Estimate how much an accuracy varies, and why, from correctness [image, seed] (Appendix C).

    One-way analysis of variance with images as groups: the variance within images is due to noise; the variance of the image means
    beyond it is due to the choice of images. With one seed only `sd_splits` is known: it splits the images at random into
    that many parts.
    """
    values = np.asarray(correct, dtype=np.float64)
    n, seeds = values.shape
    if n < 2:
        return VarianceComponents(*[math.nan] * 4)
    sd_noise = sd_images = sd_seeds = math.nan
    if seeds > 1:
        within = float(values.var(axis=1, ddof=1).mean())
        between = max(float(values.mean(axis=1).var(ddof=1)) - within / seeds, 0.0)
        sd_noise, sd_images = math.sqrt(within / n), math.sqrt(between / n)
        sd_seeds = float(values.mean(axis=0).std(ddof=1))
    parts = np.array_split(np.random.default_rng(seed).permutation(values[:, 0]), min(splits, n))
    # The accuracy of n / k images varies sqrt(k) times as much as that of n images.
    sd_splits = float(np.std([part.mean() for part in parts], ddof=1)) / math.sqrt(len(parts))
    return VarianceComponents(sd_seeds, sd_noise, sd_images, sd_splits)
