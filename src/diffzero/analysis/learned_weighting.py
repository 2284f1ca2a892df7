"""The learned weighting (paper, Appendix B): softmax regression on the errors in 20 buckets of t, always on held-out labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from diffzero.analysis.score_array import UNKNOWN_LABEL, ScoreArray
from diffzero.typing import Floats, WeightFn

BUCKETS = 20
# L2 penalty on the scaled weights, per image. It is negligible beside the likelihood, but without it the weights of perfectly
# separable classes grow without bound.
RIDGE = 1e-4


def bucket_index(t: Floats, buckets: int = BUCKETS) -> NDArray[np.int64]:
    """Return the bucket floor(t / 0.05) of each t in [0, 1]; t = 1 belongs to the last one."""
    return np.minimum((np.asarray(t) * buckets).astype(np.int64), buckets - 1)


def bucket_errors(data: ScoreArray, buckets: int = BUCKETS) -> Floats:
    """Return b_i(x, y_k), the mean squared error of the draws in each bucket [image, class, bucket].

    The value is 0 where an image has no draw in a bucket: classes share their draws, so such a bucket carries no information on
    any class.
    """
    images, _, classes = data.scores.shape
    errors = np.zeros((images, classes, buckets))
    for row in range(images):
        index = bucket_index(data.t[row], buckets)
        count = np.bincount(index, minlength=buckets)
        totals = np.zeros((buckets, classes))
        np.add.at(totals, index, data.scores[row].astype(np.float64))
        errors[row] = (totals / np.maximum(count, 1)[:, None]).T
    return errors


def fit_weights(errors: Floats, label: NDArray[np.int64], ridge: float = RIDGE) -> Floats:
    """Fit v [feature] by maximum likelihood of softmax over classes with logits -sum_i v_i b_i(x, y_k).

    Parameters
    ----------
    errors
        b_i(x, y_k) [image, class, feature]. A feature that is the same for all classes gets weight 0.
    label
        True class [image]; images with UNKNOWN_LABEL are left out.
    """
    from scipy.optimize import minimize

    errors, label = errors[label != UNKNOWN_LABEL], label[label != UNKNOWN_LABEL]
    centred = errors - errors.mean(axis=1, keepdims=True)  # a term that all classes share cancels in the softmax
    scale = centred.std(axis=(0, 1))
    features = centred / np.where(scale > 0, scale, 1)
    rows = np.arange(len(label))

    def loss(v: Floats) -> tuple[float, Floats]:
        logits = -features @ v
        gap = features[rows, label] - np.einsum("nk,nki->ni", softmax(logits, axis=1), features)
        value = -log_softmax(logits, axis=1)[rows, label].mean() + ridge * v @ v / 2
        return float(value), gap.mean(axis=0) + ridge * v

    result = minimize(loss, np.zeros(features.shape[2]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    return np.asarray(result.x / np.where(scale > 0, scale, np.inf), dtype=np.float64)


def make_bucket_weight_fn(v: Floats) -> WeightFn:
    """Return the weighting w_t = v_{floor(t / 0.05)} of weights v [bucket]."""
    return lambda t: v[bucket_index(t, len(v))]


def split_folds(images: int, count: int = 2) -> list[NDArray[np.int64]]:
    """Split the indices of images into random folds, each sorted; the same number of images always gives the same folds.

    The folds are random, not every `count`-th image, because a stratified selection alternates between two equally large classes.
    """
    order = np.random.default_rng(0).permutation(images)
    return [np.sort(part) for part in np.array_split(order, min(count, images))]


def cross_fitted_correct(errors: Floats, label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each image [image] is classified correctly under weights fitted on the other fold.

    `errors` [image, class, feature] may join the buckets of several models (the 40 weights of Appendix F).
    """
    correct = np.zeros(len(label), dtype=bool)
    for fold in split_folds(len(label)):
        rest = np.setdiff1d(np.arange(len(label)), fold)
        v = fit_weights(errors[rest], label[rest])
        correct[fold] = (errors[fold] @ v).argmin(axis=1) == label[fold]
    return correct


def learned_correct(data: ScoreArray) -> NDArray[np.bool_]:
    """Return whether each image [image] is classified correctly under Table 4's learned weighting, cross-fitted."""
    errors, correct = bucket_errors(data), np.zeros(len(data.label), dtype=bool)
    for fold in split_folds(len(data.label)):
        rest = np.setdiff1d(np.arange(len(data.label)), fold)
        weight = make_bucket_weight_fn(fit_weights(errors[rest], data.label[rest]))
        correct[fold] = data.take(fold).correct_under(weight)
    return correct


def combined_correct(models: Sequence[ScoreArray]) -> NDArray[np.bool_]:
    """Return whether each image [image] is classified correctly by several models combined, cross-fitted (Appendix F).

    Each bucket of each model has its own weight.

    Raises
    ------
    ValueError
        If the models' images differ.
    """
    if any(data.images != models[0].images for data in models):
        raise ValueError("combined weights: found different images, expected the same images for every model; give their "
                         "`full_scoring` entries the same number of images.")  # fmt: skip
    return cross_fitted_correct(np.concatenate([bucket_errors(data) for data in models], axis=2), models[0].label)
