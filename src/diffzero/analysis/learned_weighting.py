"""The learned weighting (paper, Appendix B): softmax regression on the errors in 20 buckets of t, always on held-out labels."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from diffzero.analysis.score_array import UNKNOWN, Matrices

BUCKETS = 20
# Pull towards zero of the scaled weights, per image: nothing beside the likelihood, but without it the weights of classes that
# can be told apart without a mistake grow for ever.
RIDGE = 1e-4

Floats = NDArray[np.float64]


def bucket(t: Floats, buckets: int = BUCKETS) -> NDArray[np.int64]:
    """The bucket floor(t / 0.05) of each t in [0, 1]; t = 1 lies in the last."""
    return np.minimum((np.asarray(t) * buckets).astype(np.int64), buckets - 1)


def bucket_errors(data: Matrices, buckets: int = BUCKETS) -> Floats:
    """b_i(x, y_k): the mean squared error of the draws in each bucket [image, class, bucket].

    Zero where an image has no draw in a bucket: draws are shared, so the bucket then says nothing about any class.
    """
    images, _, classes = data.scores.shape
    errors = np.zeros((images, classes, buckets))
    for row in range(images):
        index = bucket(data.t[row], buckets)
        count = np.bincount(index, minlength=buckets)
        totals = np.zeros((buckets, classes))
        np.add.at(totals, index, data.scores[row].astype(np.float64))
        errors[row] = (totals / np.maximum(count, 1)[:, None]).T
    return errors


def fit(errors: Floats, label: NDArray[np.int64], ridge: float = RIDGE) -> Floats:
    """v [feature]: maximum likelihood of softmax over classes with logits -sum_i v_i b_i(x, y_k).

    errors [image, class, feature]; label [image], UNKNOWN ones left out. A feature that never differs between classes gets 0.
    """
    errors, label = errors[label != UNKNOWN], label[label != UNKNOWN]
    centred = errors - errors.mean(axis=1, keepdims=True)  # what all classes share cancels in the softmax
    scale = centred.std(axis=(0, 1))
    features = centred / np.where(scale > 0, scale, 1)
    rows = np.arange(len(label))

    def loss(v: Floats) -> tuple[float, Floats]:
        logits = -features @ v
        gap = features[rows, label] - np.einsum("nk,nki->ni", softmax(logits, axis=1), features)
        value = -log_softmax(logits, axis=1)[rows, label].mean() + ridge * v @ v / 2
        return float(value), gap.mean(axis=0) + ridge * v

    found = minimize(loss, np.zeros(features.shape[2]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    return found.x / np.where(scale > 0, scale, np.inf)


def weight(v: Floats) -> Callable[[Floats], Floats]:
    """w_t = v_{floor(t / 0.05)}, as a weighting."""
    return lambda t: v[bucket(t, len(v))]


def folds(images: int, count: int = 2) -> list[NDArray[np.int64]]:
    """The images of each fold, in order: a random part, the same for so many images.

    Not every `count`-th image: a stratified selection of two equal classes alternates between them.
    """
    order = np.random.default_rng(0).permutation(images)
    return [np.sort(part) for part in np.array_split(order, min(count, images))]


def cross_fitted(errors: Floats, label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each image [image] is right under weights fitted on the other fold: no image is judged by its own label.

    errors [image, class, feature] may join the buckets of several models (Appendix F's 40 weights).
    """
    right = np.zeros(len(label), dtype=bool)
    for fold in folds(len(label)):
        rest = np.setdiff1d(np.arange(len(label)), fold)
        v = fit(errors[rest], label[rest])
        right[fold] = (errors[fold] @ v).argmin(axis=1) == label[fold]
    return right


def learned_correct(data: Matrices) -> NDArray[np.bool_]:
    """Table 4's learned weighting, cross-fitted: whether the lowest mean of w_t-weighted scores is right [image]."""
    errors, right = bucket_errors(data), np.zeros(len(data.label), dtype=bool)
    for fold in folds(len(data.label)):
        rest = np.setdiff1d(np.arange(len(data.label)), fold)
        right[fold] = data.take(fold).correct(weight(fit(errors[rest], data.label[rest])))
    return right


def combined_correct(models: Sequence[Matrices]) -> NDArray[np.bool_]:
    """Appendix F: the buckets of several models on the same images, one weight each, cross-fitted [image].

    Raises ValueError where the models' images differ.
    """
    if any(data.images != models[0].images for data in models):
        raise ValueError("combined weights: found different images, expected the same of every model; give their "
                         "`full_scoring` entries the same number of images.")  # fmt: skip
    return cross_fitted(np.concatenate([bucket_errors(data) for data in models], axis=2), models[0].label)
