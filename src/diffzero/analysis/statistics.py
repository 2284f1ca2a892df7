"""Intervals and tests behind the tables: thin, checked doors to scipy and statsmodels, all in float64."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Interval = tuple[float, float]
RESAMPLES = 2000


class Spread(NamedTuple):
    """Standard deviations of an accuracy, in [0, 1]; nan where the data cannot tell."""

    seeds: float
    """Of one seed's accuracy, as observed over the seeds: the images stay, the noise is redrawn."""
    noise: float
    """The part of an accuracy's error that redrawing the noise would change, from the variance within images."""
    sampling: float
    """The part that other images would change, from the variance between images."""
    subsets: float
    """Of the accuracy on random subsets, scaled to the whole: both parts together, as the paper's Appendix C has it."""


def _check_counts(successes: float, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"found {successes} successes of {n}, expected 0 <= successes <= n; check what was counted.")


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """(low, high) of Wilson's score interval for a proportion, in [0, 1]; (nan, nan) for n = 0.

    `successes` may be fractional: the mean over seeds of an image. Not conservative: coverage is near the level on
    average, and unlike the normal interval it stays honest at 0 and n. Raises ValueError unless 0 <= successes <= n.
    """
    _check_counts(successes, n)
    if n == 0:
        return math.nan, math.nan
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def proportion_difference(
    successes: float, n: int, other_successes: float, other_n: int, level: float = 0.95
) -> Interval:
    """(low, high) of Newcombe's interval for the first proportion minus the other, independent samples.

    It is put together from the two Wilson intervals, so it agrees with the intervals that the tables show.
    (nan, nan) where a sample is empty. Raises ValueError unless 0 <= successes <= n for both.
    """
    _check_counts(successes, n)
    _check_counts(other_successes, other_n)
    if n == 0 or other_n == 0:
        return math.nan, math.nan
    low, high = confint_proportions_2indep(
        successes, n, other_successes, other_n, method="newcomb", compare="diff", alpha=1 - level
    )
    return float(low), float(high)


def binomial_pvalue(successes: int, n: int, chance: float = 0.5) -> float:
    """The two-sided exact p-value of `successes` of `n` under `chance` (Table 3's test); nan for n = 0."""
    _check_counts(successes, n)
    return float(stats.binomtest(successes, n, chance).pvalue) if n else math.nan


def holm(pvalues: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjusted p-values [test], float64: significant where below the level, family-wise.

    nan stays nan and does not count as a test.
    """
    adjusted = np.array(pvalues, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def mean_difference_interval(differences: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high) of paired differences [n]: Student's t interval, in the differences' unit.

    (mean, nan, nan) for n = 1, three nan for n = 0; equal differences give an interval of no width.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = values.size
    if n < 2:
        return (float(values[0]) if n else math.nan), math.nan, math.nan
    mean = float(values.mean())
    # Not stats.t.interval: it answers nan for zero variance, where the interval is known exactly.
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """The two-sided exact p-value of McNemar's test that two paired outcomes [n] are right equally often; 1 if they never differ.

    Raises ValueError for outcomes of different length.
    """
    a, b = _paired(first, second)
    wins, losses = int((a & ~b).sum()), int((~a & b).sum())
    return binomial_pvalue(wins, wins + losses) if wins + losses else 1.0


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"paired outcomes: found {a.shape} and {b.shape}, expected the same items on both sides.")
    return a, b


def bootstrap_interval(
    values: ArrayLike, clusters: ArrayLike | None = None, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """(mean, low, high) of values [n], such as paired differences of right and wrong: percentile bootstrap.

    clusters [n] name what is independent, such as the image that several items are about: whole clusters are resampled.
    The same seed gives the same interval. Three nan for n = 0.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        return math.nan, math.nan, math.nan
    _, index = np.unique(np.arange(values.size) if clusters is None else np.asarray(clusters), return_inverse=True)
    totals = np.stack([np.bincount(index, weights=values), np.bincount(index)], axis=1)  # [cluster, (sum, count)]
    # Drawing n clusters is drawing how often each distinct (sum, count) occurs: exact, and small for right and wrong.
    distinct, counts = np.unique(totals, axis=0, return_counts=True)
    n = int(counts.sum())
    drawn = (
        np.random.default_rng(seed).multinomial(n, counts / n, size=RESAMPLES) @ distinct
    )  # [resample, (sum, count)]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return float(values.mean()), float(low), float(high)


def clustered_wilson(correct: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """(share, low, high) of right or wrong [n] in clusters [n]: Wilson's interval at the effective sample size (Korn & Graubard 1998).

    The variance between clusters says how many independent decisions n are worth; all right or all wrong, they are taken
    for as many as there are clusters. Unlike the bootstrap it has a width there. Three nan for n = 0.
    """
    values = np.asarray(correct, dtype=np.float64)
    if values.size == 0:
        return math.nan, math.nan, math.nan
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    share, count = float(values.mean()), int(index.max()) + 1
    worth = float(count)
    if count > 1 and 0 < share < 1:
        totals = np.bincount(index, weights=values - share)
        variance = count / (count - 1) * float(totals @ totals) / values.size**2
        few = stats.norm.isf((1 - level) / 2) / stats.t.isf((1 - level) / 2, count - 1)
        # No better than independent decisions: with few clusters the variance is sometimes far too small by chance.
        worth = min(share * (1 - share) / variance if variance else math.inf, values.size) * few**2
    low, high = proportion_confint(share * worth, worth, alpha=1 - level, method="wilson")
    # Rounding leaves a bound of none or all a last bit inside: a bar to it would have a negative length.
    return share, min(float(low), share), max(float(high), share)


def sign_flip_pvalue(differences: ArrayLike, clusters: ArrayLike) -> float:
    """The two-sided exact p-value that paired differences [n] have mean 0, by swapping the two sides of whole clusters.

    What McNemar's test becomes where several items share an image. Differences are of right and wrong or of their means over seeds:
    the sums over clusters are then multiples of a unit, and the distribution of their signed total follows by convolution.
    Raises ValueError for differences without such a unit.
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
    chance = np.ones(1)  # [signed total + the largest one]
    for step in np.abs(steps[steps != 0]):
        chance = np.pad(chance / 2, (0, 2 * step)) + np.pad(chance / 2, (2 * step, 0))
    signed = np.arange(len(chance)) - len(chance) // 2
    return min(float(chance[np.abs(signed) >= abs(steps.sum())].sum()), 1.0)


def spread(correct: ArrayLike, subsets: int = 4, seed: int = 0) -> Spread:
    """How much an accuracy varies, and why (Appendix C), from right or wrong [image, seed].

    One-way analysis of variance with images as groups: the variance within images is noise; what the image means vary
    beyond it is sampling. With one seed only `subsets` is known: it splits the images at random into that many parts.
    """
    values = np.asarray(correct, dtype=np.float64)
    n, seeds = values.shape
    if n < 2:
        return Spread(*[math.nan] * 4)
    noise = sampling = over_seeds = math.nan
    if seeds > 1:
        within = float(values.var(axis=1, ddof=1).mean())
        between = max(float(values.mean(axis=1).var(ddof=1)) - within / seeds, 0.0)
        noise, sampling = math.sqrt(within / n), math.sqrt(between / n)
        over_seeds = float(values.mean(axis=0).std(ddof=1))
    parts = np.array_split(np.random.default_rng(seed).permutation(values[:, 0]), min(subsets, n))
    # A part of n / k images varies sqrt(k) times as much as the whole.
    over_subsets = float(np.std([part.mean() for part in parts], ddof=1)) / math.sqrt(len(parts))
    return Spread(over_seeds, noise, sampling, over_subsets)
