"""How far a confidence can be believed (paper, Section 3 and Figure 5): two confidences, each fitted on images held out, and their ECE."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

from diffzero.analysis.statistics import wilson

BINS = 10
BIN_COLUMNS = ("low_edge", "high_edge", "confidence", "accuracy", "low", "high", "n")

Floats = NDArray[np.float64]


class Platt(NamedTuple):
    """confidence = sigmoid(-n / tau + beta) of a race that took n calls; slope = -1 / tau."""

    slope: float
    beta: float

    def confidence(self, calls: Floats) -> Floats:
        """The probability that the prediction is right [image]."""
        return expit(self.slope * np.asarray(calls, dtype=np.float64) + self.beta)


def fit_platt(calls: Floats, correct: NDArray[np.bool_]) -> Platt:
    """Platt's logistic regression of being right on the number of calls.

    Platt's targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2) instead of 1 and 0: with them the fit is finite where calls
    separate right from wrong, or where nothing was wrong.
    """
    calls, correct = np.asarray(calls, dtype=np.float64), np.asarray(correct, dtype=bool)
    right, wrong = correct.sum(), (~correct).sum()
    target = np.where(correct, (right + 1) / (right + 2), 1 / (wrong + 2))
    centre, scale = calls.mean(), calls.std() or 1.0
    z = (calls - centre) / scale

    def loss(parameters: Floats) -> float:
        logit = parameters[0] * z + parameters[1]
        return float(np.mean(np.logaddexp(0, logit) - target * logit))

    slope, beta = minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-8}).x
    return Platt(float(slope / scale), float(beta - slope * centre / scale))


def fit_temperature(means: Floats, label: NDArray[np.int64]) -> float:
    """T > 0 that makes softmax(-means / T) [image, class] most likely for the labels [image]: maximum likelihood."""
    unit = float(np.ptp(means, axis=1).mean()) or 1.0

    def loss(log_temperature: float) -> float:
        logits = log_softmax(-means / (unit * np.exp(log_temperature)), axis=1)
        return -float(logits[np.arange(len(label)), label].mean())

    return float(unit * np.exp(minimize_scalar(loss, bounds=(-14, 14), method="bounded", options={"xatol": 1e-9}).x))


def softmax_confidence(means: Floats, temperature: float) -> Floats:
    """The highest softmax(-means / temperature) of each image [image]."""
    return np.exp(log_softmax(-means / temperature, axis=1)).max(axis=1)


def reliability(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> pd.DataFrame:
    """BIN_COLUMNS, one row a bin of equal width that holds an image; confidence and accuracy are the bin's means, Wilson 95 %."""
    index = np.clip((np.asarray(confidence) * bins).astype(int), 0, bins - 1)
    rows = []
    for k in np.unique(index):
        mine, n = correct[index == k], int((index == k).sum())
        mean = float(np.asarray(confidence)[index == k].mean())
        rows.append((k / bins, (k + 1) / bins, mean, float(mine.mean()), *wilson(int(mine.sum()), n), n))
    return pd.DataFrame(rows, columns=list(BIN_COLUMNS))


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """ECE (Guo et al. 2017): the mean over images of |accuracy - confidence| of their bin, in [0, 1]."""
    table = reliability(confidence, correct, bins)
    return float(np.average(np.abs(table["accuracy"] - table["confidence"]), weights=table["n"]))
