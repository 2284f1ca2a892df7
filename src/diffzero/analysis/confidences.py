"""Figure 5: both confidences of every image of unpruned scores, fitted on one half and judged on the other."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.analysis import calibration
from diffzero.analysis.learned_weighting import folds
from diffzero.analysis.score_array import UNKNOWN, Matrices
from diffzero.pruning.policies import Policy
from diffzero.pruning.replay import replay

SOFTMAX, CALLS = "temperature softmax of weighted scores", "Platt-scaled number of model calls"
COLUMNS = ("model", "dataset", "confidence", "ece", "accuracy", "n", "fitted", "calls")

Weight = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def races(data: Matrices, policy: Policy, weight: Weight) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Calls [image] and whether right [image] of the policy replayed on unpruned scores, cut off where they end."""
    weighted = data.scores * weight(data.t)[..., None]  # [image, draw, class]
    classes = list(range(data.scores.shape[2]))
    outcomes = [
        replay(policy, mine, name, classes, max_draws=data.t.shape[1])
        for mine, name in zip(weighted, data.images, strict=True)
    ]
    calls = np.array([outcome.calls for outcome in outcomes], dtype=np.float64)
    return calls, np.array([outcome.winner for outcome in outcomes]) == data.label


def calibrate(
    data: Mapping[tuple[str, str], tuple[Matrices, Weight]], policy: Policy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """COLUMNS, two rows a (model, data set); and the bins: model, dataset, confidence_kind, then calibration.BIN_COLUMNS.

    A random half of the images fits the temperature and Platt's two numbers; the other is judged.
    """
    rows, bins = [], []
    for (model, dataset), (matrices, weight) in data.items():
        known = matrices.take(np.flatnonzero(matrices.label != UNKNOWN))
        fitted, judged = folds(len(known.label))
        means, (calls, raced) = known.means(weight), races(known, policy, weight)
        temperature = calibration.fit_temperature(means[fitted], known.label[fitted])
        platt = calibration.fit_platt(calls[fitted], raced[fitted])
        full = known.scores.shape[1] * known.scores.shape[2]
        confidences = (
            (SOFTMAX, calibration.softmax_confidence(means, temperature), known.correct(weight), full),
            (CALLS, platt.confidence(calls), raced, calls[judged].mean()),
        )
        for name, confidence, right, cost in confidences:
            mine = confidence[judged], right[judged]
            ece = calibration.expected_calibration_error(*mine)
            rows.append((model, dataset, name, ece, mine[1].mean(), len(judged), len(fitted), float(cost)))
            bins.append(calibration.reliability(*mine).assign(model=model, dataset=dataset, confidence_kind=name))
    keys = ["model", "dataset", "confidence_kind"]
    empty = pd.DataFrame(columns=[*keys, *calibration.BIN_COLUMNS])
    table = pd.concat(bins, ignore_index=True)[empty.columns] if bins else empty
    return pd.DataFrame(rows, columns=list(COLUMNS)), table
