"""Learned weights: recovery of known weights, comparison with statsmodels, and cross-fitting."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from statsmodels.discrete.conditional_models import ConditionalLogit

from diffzero.analysis import learned_weighting
from diffzero.analysis.score_array import UNKNOWN_LABEL, ScoreArray
from diffzero.data.selection import select_images

TRUE = np.where(np.arange(20) < 12, 2.0 - np.arange(20) / 8, 0.0)


def problem(images: int, weights: np.ndarray, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return bucket errors [image, class, bucket] and labels drawn from the model that is fitted."""
    rng = np.random.default_rng(seed)
    errors = rng.normal(3, 1, (images, classes, len(weights)))
    chance = softmax(-errors @ weights, axis=1)
    label = (chance.cumsum(axis=1) > rng.random((images, 1))).argmax(axis=1)
    return errors, label


def test_known_weights_are_recovered() -> None:
    errors, label = problem(20_000, TRUE)
    found = learned_weighting.fit_weights(errors, label)
    assert np.abs(found - TRUE).max() < 0.12
    assert np.corrcoef(found, TRUE)[0, 1] > 0.995


def test_fit_equals_statsmodels_conditional_logit() -> None:
    errors, label = problem(300, TRUE[:6])
    choice = (np.arange(5) == label[:, None]).ravel().astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = ConditionalLogit(choice, -errors.reshape(-1, 6), groups=np.repeat(np.arange(300), 5)).fit(disp=0)
    assert learned_weighting.fit_weights(errors, label, ridge=0.0) == pytest.approx(reference.params, abs=2e-3)
    assert learned_weighting.fit_weights(errors, label) == pytest.approx(reference.params, abs=0.01)


def test_separable_classes_give_finite_weights_and_unknown_labels_are_left_out() -> None:
    errors = np.tile(np.arange(3.0)[None, :, None], (30, 1, 4))
    found = learned_weighting.fit_weights(errors, np.zeros(30, dtype=int))
    assert np.isfinite(found).all() and (found > 0).all()
    errors, label = problem(100, TRUE[:4])
    more = np.concatenate([errors, errors[:7]]), np.concatenate([label, np.full(7, UNKNOWN_LABEL)])
    assert learned_weighting.fit_weights(*more) == pytest.approx(learned_weighting.fit_weights(errors, label))


def test_a_bucket_without_information_has_weight_zero() -> None:
    errors, label = problem(200, TRUE[:4])
    errors[:, :, 2] = 7.0
    assert learned_weighting.fit_weights(errors, label)[2] == 0


@pytest.mark.parametrize(("t", "expected"), [(0.0, 0), (0.05, 1), (0.0499, 0), (0.949, 18), (0.95, 19), (1.0, 19)])
def test_bucket_edges_are_those_of_the_paper(t: float, expected: int) -> None:
    assert learned_weighting.bucket_index(np.array([t]))[0] == expected
    assert learned_weighting.make_bucket_weight_fn(np.arange(20.0))(np.array([t]))[0] == expected


def test_bucket_errors_are_means_by_bucket() -> None:
    t = np.array([[0.01, 0.02, 0.99]])
    scores = np.array([[[1, 2], [3, 6], [5, 7]]], dtype=np.float32)
    errors = learned_weighting.bucket_errors(ScoreArray(["a"], scores, t, np.array([0])))
    assert errors[0, :, 0].tolist() == [2, 4] and errors[0, :, 19].tolist() == [5, 7] and errors[0, :, 1:19].sum() == 0


def test_every_image_is_in_one_fold_and_is_not_evaluated_with_its_own_label() -> None:
    assert sorted(np.concatenate(learned_weighting.split_folds(7)).tolist()) == list(range(7))
    errors, label = problem(400, TRUE[:6])
    plain = learned_weighting.cross_fitted_correct(errors, label)
    assert plain.mean() > 0.5
    rng = np.random.default_rng(1)
    # Labels that do not depend on the errors cannot be predicted with any number of weights.
    noise = rng.integers(0, 5, 400)
    assert learned_weighting.cross_fitted_correct(errors, noise).mean() < 0.3


def test_folds_of_a_stratified_selection_contain_both_classes() -> None:
    table = pd.DataFrame({"image": [f"image {k}" for k in range(200)], "label": [0] * 100 + [1] * 100})
    label = select_images(table, 40, 0, stratified=True)["label"].to_numpy()
    assert (label[::2] == label[0]).all(), "the selection alternates"
    for fold in learned_weighting.split_folds(40):
        assert 5 <= label[fold].sum() <= 15 and (np.diff(fold) > 0).all()


def test_two_models_with_independent_errors_are_better_combined() -> None:
    rng = np.random.default_rng(2)
    label, t = rng.integers(0, 4, 400), np.tile((np.arange(40) + 0.5) / 40, (400, 1))
    data = []
    for _ in range(2):
        scores = rng.normal(10, 6, (400, 40, 4)) - 1.2 * (np.arange(4) == label[:, None])[:, None]
        data.append(ScoreArray([str(k) for k in range(400)], scores.astype(np.float32), t, label))
    alone = max(learned_weighting.combined_correct([each]).mean() for each in data)
    assert learned_weighting.combined_correct(data).mean() > alone + 0.03
    with pytest.raises(ValueError, match="different images"):
        learned_weighting.combined_correct([data[0], data[1].take(np.arange(5))])
