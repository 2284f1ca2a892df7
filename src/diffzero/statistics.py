"""Intervals and tests behind the tables: thin, checked doors to scipy and statsmodels, all in float64."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Interval = tuple[float, float]


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
