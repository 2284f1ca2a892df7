"""Literal implementations of the papers' algorithms, one image and one number at a time. They share no code with diffzero.

Constant differences. A paired t-test divides by the standard deviation of the differences, so two cases are
degenerate: scores that differ by exactly 0 in every draw (t = 0/0 = NaN, no comparison with NaN is true: the class
stays) and by the same constant in every draw (t = c/0 = inf, p = 0: the class is dropped at the first test). If the scores are
rounded, a constant difference has a tiny deviation, which two programs may round differently, but |t| is very large in both and
the class is dropped, too.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy import stats


@dataclass
class Result:
    prediction: int
    calls: int = 0
    history: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)  # (n, survivors) after every draw


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def algorithm_1(matrix: Sequence[Sequence[float]], min_scores: int, max_scores: int, cutoff_pval: float) -> Result:
    """Run Algorithm 1 of Clark & Jaini 2023 on weighted scores [draw, class]."""
    scores: dict[int, list[float]] = {k: [] for k in range(len(matrix[0]))}
    result, n, best = Result(prediction=0), 0, 0
    while len(scores) > 1 and n < max_scores:
        for k in scores:
            scores[k].append(float(matrix[n][k]))
            result.calls += 1
        n += 1
        best = min(scores, key=lambda k: mean(scores[k]))
        if n >= min_scores:
            for k in [k for k in scores if k != best]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # scipy warns of every constant difference
                    pvalue = stats.ttest_rel(scores[best], scores[k]).pvalue
                if pvalue < cutoff_pval:
                    del scores[k]
        result.history.append((n, tuple(scores)))
    result.prediction = best
    return result


def adaptive_stages(matrix: Sequence[Sequence[float]], trials: Sequence[int], keep: Sequence[int]) -> Result:
    """Run the adaptive stages of Li et al. 2023 on scores [draw, class]; `trials` are totals; ties go to the lower label."""
    errors: dict[int, list[float]] = {k: [] for k in range(len(matrix[0]))}
    result, candidates, previous = Result(prediction=0), list(errors), 0
    for total, count in zip(trials, keep, strict=True):
        if len(candidates) == 1:
            break
        for trial in range(previous, total):
            for k in candidates:
                errors[k].append(float(matrix[trial][k]))
                result.calls += 1
        candidates = sorted(sorted(candidates, key=lambda k: mean(errors[k]))[:count])
        result.history.append((total, tuple(candidates)))
        previous = total
    result.prediction = min(candidates, key=lambda k: mean(errors[k]))
    return result
