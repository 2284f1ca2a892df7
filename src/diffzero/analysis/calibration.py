"""Calibration (paper, Section 3 and Figure 5): two confidences, each fitted on held-out images, and their calibration error."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from diffzero.analysis.learned_weighting import split_folds
from diffzero.analysis.score_array import UNKNOWN_LABEL, ScoreArray
from diffzero.analysis.statistics import wilson_interval
from diffzero.pruning.policies import Policy
from diffzero.pruning.replay import replay
from diffzero.typing import Floats, WeightFn

BINS = 10
BIN_COLUMNS = ("low_edge", "high_edge", "confidence", "accuracy", "low", "high", "n")
SOFTMAX, CALLS = "temperature softmax of weighted scores", "Platt-scaled number of model calls"
CALIBRATION_COLUMNS = ("model", "dataset", "confidence", "ece", "accuracy", "n", "n_calibration", "calls")


class PlattScaling(NamedTuple):
    """confidence = sigmoid(-n / tau + beta) of a race that took n calls; slope = -1 / tau."""

    slope: float
    beta: float

    def confidence(self, calls: Floats) -> Floats:
        """Return the probability that the prediction is correct [image]."""
        return np.asarray(expit(self.slope * np.asarray(calls, dtype=np.float64) + self.beta), dtype=np.float64)


def fit_platt(calls: Floats, correct: NDArray[np.bool_]) -> PlattScaling:
    """Fit a logistic regression of correctness [image] on the number of calls [image].

    Notes
    -----
    The targets are Platt's (N+ + 1) / (N+ + 2) and 1 / (N- + 2) instead of 1 and 0. They keep the fit finite where the number of
    calls separates correct from wrong predictions, or where no prediction is wrong.
    """
    from scipy.optimize import minimize

    calls, correct = np.asarray(calls, dtype=np.float64), np.asarray(correct, dtype=bool)
    n_correct, n_wrong = correct.sum(), (~correct).sum()
    target = np.where(correct, (n_correct + 1) / (n_correct + 2), 1 / (n_wrong + 2))
    centre, scale = calls.mean(), calls.std() or 1.0
    z = (calls - centre) / scale

    def loss(parameters: Floats) -> float:
        logit = parameters[0] * z + parameters[1]
        return float(np.mean(np.logaddexp(0, logit) - target * logit))

    slope, beta = minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-8}).x
    return PlattScaling(float(slope / scale), float(beta - slope * centre / scale))


def fit_temperature(means: Floats, label: NDArray[np.int64]) -> float:
    """Fit the temperature T > 0 of softmax(-means / T) by maximum likelihood.

    Parameters
    ----------
    means
        Mean weighted scores [image, class].
    label
        True class [image].
    """
    from scipy.optimize import minimize_scalar

    unit = float(np.ptp(means, axis=1).mean()) or 1.0

    def loss(log_temperature: float) -> float:
        logits = log_softmax(-means / (unit * np.exp(log_temperature)), axis=1)
        return -float(logits[np.arange(len(label)), label].mean())

    return float(unit * np.exp(minimize_scalar(loss, bounds=(-14, 14), method="bounded", options={"xatol": 1e-9}).x))


def softmax_confidence(means: Floats, temperature: float) -> Floats:
    """Return the highest softmax(-means / temperature) of each image [image]."""
    return np.asarray(np.exp(log_softmax(-means / temperature, axis=1)).max(axis=1), dtype=np.float64)


def reliability_bins(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> pd.DataFrame:
    """Group images by confidence into bins of equal width.

    Returns
    -------
    One row per bin that holds an image. Columns:

    - low_edge, high_edge (float64): edges of the bin.
    - confidence, accuracy (float64): means over the bin's images.
    - low, high (float64): Wilson 95 % interval of the accuracy.
    - n (int64): images.
    """
    index = np.clip((np.asarray(confidence) * bins).astype(int), 0, bins - 1)
    rows = []
    for k in np.unique(index):
        inside = index == k
        chosen, n = correct[inside], int(inside.sum())
        mean = float(np.asarray(confidence)[inside].mean())
        interval = wilson_interval(int(chosen.sum()), n)
        rows.append((k / bins, (k + 1) / bins, mean, float(chosen.mean()), *interval, n))
    return pd.DataFrame(rows, columns=list(BIN_COLUMNS))


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the mean over images of |accuracy - confidence| of their bin, in [0, 1] (ECE; Guo et al. 2017)."""
    table = reliability_bins(confidence, correct, bins)
    return float(np.average(np.abs(table["accuracy"] - table["confidence"]), weights=table["n"]))


def replay_races(data: ScoreArray, policy: Policy, weight: WeightFn) -> tuple[Floats, NDArray[np.bool_]]:
    """Replay the policy on full scores, truncated to the draws that were scored.

    Returns
    -------
    Calls [image] and correctness [image].
    """
    weighted = data.scores * weight(data.t)[..., None]  # [image, draw, class]
    classes = list(range(data.scores.shape[2]))
    draws = data.t.shape[1]
    outcomes = [
        replay(policy, scores, name, classes, max_draws=draws)
        for scores, name in zip(weighted, data.images, strict=True)
    ]
    calls = np.array([outcome.calls for outcome in outcomes], dtype=np.float64)
    return calls, np.array([outcome.winner for outcome in outcomes]) == data.label


class Confidence(NamedTuple):
    """One confidence of the images of a data set."""

    kind: str
    confidence: Floats  # [image]
    correct: NDArray[np.bool_]  # [image]
    calls: float  # per image


def calibrate(
    data: Mapping[tuple[str, str], tuple[ScoreArray, WeightFn]], policy: Policy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit both confidences on a random half of the images and evaluate them on the other half.

    Parameters
    ----------
    data
        Full scores and the run's weighting by (model, data set).
    policy
        The run's policy, whose number of calls is the second confidence.

    Returns
    -------
    calibration : two rows per (model, data set). Columns model, dataset, confidence (str: SOFTMAX or CALLS), ece, accuracy (float64),
        n, n_calibration (int64: images evaluated on and fitted on) and calls (float64, per image).
    bins : columns model, dataset, confidence_kind (str) and those of `reliability_bins`.
    """
    rows, bins = [], []
    for (model, dataset), (scores, weight) in data.items():
        known = scores.take(np.flatnonzero(scores.label != UNKNOWN_LABEL))
        fitted, evaluated = split_folds(len(known.label))
        for kind, confidence, correct, calls in _fit_confidences(known, weight, policy, fitted, evaluated):
            pair = confidence[evaluated], correct[evaluated]
            ece = expected_calibration_error(*pair)
            rows.append((model, dataset, kind, ece, pair[1].mean(), len(evaluated), len(fitted), calls))
            bins.append(reliability_bins(*pair).assign(model=model, dataset=dataset, confidence_kind=kind))
    empty = pd.DataFrame(columns=["model", "dataset", "confidence_kind", *BIN_COLUMNS])
    table = pd.concat(bins, ignore_index=True)[empty.columns] if bins else empty
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS)), table


def _fit_confidences(
    data: ScoreArray, weight: WeightFn, policy: Policy, fitted: NDArray[np.int64], evaluated: NDArray[np.int64]
) -> list[Confidence]:
    means, (calls, raced_correct) = data.weighted_means(weight), replay_races(data, policy, weight)
    temperature = fit_temperature(means[fitted], data.label[fitted])
    platt = fit_platt(calls[fitted], raced_correct[fitted])
    full_calls = float(data.scores.shape[1] * data.scores.shape[2])
    return [
        Confidence(SOFTMAX, softmax_confidence(means, temperature), data.correct_under(weight), full_calls),
        Confidence(CALLS, platt.confidence(calls), raced_correct, float(calls[evaluated].mean())),
    ]
