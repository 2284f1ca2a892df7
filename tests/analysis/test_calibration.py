"""Confidences against statsmodels and known parameters, and the calibration error computed by hand."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, softmax

from diffzero.analysis import calibration, learned_weighting
from diffzero.analysis.score_array import ScoreArray
from diffzero.pruning.policies import Full, TTest
from stages_of import fixed_stages


def test_platt_scaling_equals_statsmodels_logistic_regression_on_platts_targets() -> None:
    rng = np.random.default_rng(0)
    calls = rng.integers(200, 2000, 500).astype(float)
    correct = rng.random(500) < expit(3 - calls / 400)
    right, wrong = correct.sum(), (~correct).sum()
    target = np.where(correct, (right + 1) / (right + 2), 1 / (wrong + 2))
    reference = sm.GLM(target, sm.add_constant(calls), family=sm.families.Binomial()).fit().params
    found = calibration.fit_platt(calls, correct)
    assert (found.beta, found.slope) == pytest.approx(tuple(reference), rel=1e-3)
    assert found.slope == pytest.approx(-1 / 400, rel=0.25) and found.beta == pytest.approx(3, rel=0.25)


def test_platt_scaling_is_finite_without_errors_and_for_separable_calls() -> None:
    always = calibration.fit_platt(np.array([20.0, 40.0, 60.0]), np.ones(3, dtype=bool))
    assert always.confidence(np.array([20.0, 60.0])) == pytest.approx([0.8, 0.8], abs=1e-3)
    split = calibration.fit_platt(np.array([10.0, 20.0, 30.0, 40.0]), np.array([True, True, False, False]))
    assert np.isfinite(split).all() and split.slope < 0
    assert np.isfinite(calibration.fit_platt(np.full(3, 20.0), np.array([True, False, True]))).all()


@pytest.mark.parametrize("temperature", [0.02, 1.0, 300.0])
def test_temperature_is_recovered_in_any_unit_of_the_scores(temperature: float) -> None:
    rng = np.random.default_rng(1)
    means = 5 * temperature * rng.random((20_000, 6))
    chance = softmax(-means / temperature, axis=1)
    label = (chance.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    found = calibration.fit_temperature(means, label)
    assert found == pytest.approx(temperature, rel=0.05)
    confidence = calibration.softmax_confidence(means, found)
    assert calibration.expected_calibration_error(confidence, means.argmin(axis=1) == label) < 0.02


def test_ece_by_hand() -> None:
    confidence, correct = np.array([0.95, 0.95, 0.55, 0.65]), np.array([True, False, True, False])
    # Bins 0.9-1 (|0.5 - 0.95|, two images), 0.5-0.6 (|1 - 0.55|), 0.6-0.7 (|0 - 0.65|).
    assert calibration.expected_calibration_error(confidence, correct) == pytest.approx((2 * 0.45 + 0.45 + 0.65) / 4)
    table = calibration.reliability_bins(confidence, correct)
    assert table["n"].tolist() == [1, 1, 2] and table["low_edge"].tolist() == pytest.approx([0.5, 0.6, 0.9])
    assert calibration.reliability_bins(np.array([1.0]), np.array([True]))["high_edge"].tolist() == [1.0]


def hard_and_easy(images: int = 80) -> ScoreArray:
    """Return scores of which half the images are easy (few calls, correct) and half are hard (many calls, often wrong)."""
    rng = np.random.default_rng(3)
    easy, label = np.arange(images) % 4 < 2, rng.integers(0, 3, images)
    scores = rng.normal(10, 1, (images, 40, 3))
    scores -= np.where(easy, 3.0, 0.0)[:, None, None] * (np.arange(3) == label[:, None])[:, None]
    return ScoreArray([str(k) for k in range(images)], scores.astype(np.float32), rng.random((images, 40)), label)


def test_few_calls_mean_high_confidence() -> None:
    flat = {("m", "d"): (hard_and_easy(), np.ones_like)}
    table, bins = calibration.calibrate(flat, TTest(min_scores=10, max_scores=2000, cutoff_pval=0.002))
    assert table["confidence"].tolist() == [calibration.SOFTMAX, calibration.CALLS]
    assert (table["n"] == 40).all() and (table["n_calibration"] == 40).all()
    assert table["calls"].tolist()[0] == 120 and table["calls"].tolist()[1] < 100
    mine = bins[bins["confidence_kind"] == calibration.CALLS]
    assert mine["accuracy"].iloc[-1] > 0.9 and mine["accuracy"].iloc[0] < 0.7
    assert (table["ece"] < 0.25).all()


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    # Calls with 40 draws of three classes: all; as the t-test decides; three classes for 10 draws and two for 30; three for 40.
    [
        (Full(max_scores=500), 120, 120),
        (TTest(min_scores=10, max_scores=500), 30, 120),
        (fixed_stages((10, 500), (2, 1)), 90, 90),
        (fixed_stages((50, 90), (2, 1)), 120, 120),
    ],
)
def test_a_race_ends_with_the_last_scored_draw_and_the_lowest_mean_wins(policy, least: int, most: int) -> None:
    data = hard_and_easy(8)
    calls, right = calibration.replay_races(data, policy, np.ones_like)
    assert least <= calls.min() and calls.max() <= most
    if not isinstance(policy, TTest):
        assert right.tolist() == data.correct_under(np.ones_like).tolist()


def test_two_images_suffice_to_fit_on_one_and_evaluate_on_the_other() -> None:
    data = hard_and_easy(2)
    table, _ = calibration.calibrate(
        {("m", "d"): (data, np.ones_like)}, TTest(min_scores=10, max_scores=2000, cutoff_pval=0.002)
    )
    assert table["n"].tolist() == table["n_calibration"].tolist() == [1, 1]
    assert len(learned_weighting.learned_correct(data)) == len(learned_weighting.combined_correct([data, data])) == 2


def test_no_full_scores_give_empty_tables() -> None:
    table, bins = calibration.calibrate({}, TTest())
    assert table.empty and bins.empty and "ece" in table
