"""Figures: files are complete and reproducible, and contain the labels that readers need."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from diffzero.analysis.timesteps import PROFILE_COLUMNS
from diffzero.reporting.figures.binding import draw_binding
from diffzero.reporting.figures.binding_errors import draw_binding_errors
from diffzero.reporting.figures.calls import draw_calls
from diffzero.reporting.figures.confusion import permuted_accuracy
from diffzero.reporting.figures.controlled import draw_controlled
from diffzero.reporting.figures.denoised import draw_denoised
from diffzero.reporting.figures.efficiency import CURVES, draw_efficiency
from diffzero.reporting.figures.frontier import draw_frontier
from diffzero.reporting.figures.race import draw_race
from diffzero.reporting.figures.reliability import draw_reliability
from diffzero.reporting.figures.samples import draw_samples
from diffzero.reporting.figures.sensitivity import draw_sensitivity
from diffzero.reporting.figures.shape_bias import draw_shape_bias
from diffzero.reporting.figures.style import STYLE, save_figure, spread_labels
from diffzero.reporting.figures.timesteps import draw_timesteps
from small_figures import confusion, paired_comparison

DRAWS = list(range(1, 61))


def efficiency() -> Figure:
    rows = [(curve, calls, 0.5, 0.4, 0.6, 100) for curve in CURVES for calls in (1.0, 10.0, 100.0)]
    curves = pd.DataFrame(rows, columns=["curve", "calls_per_class", "accuracy", "low", "high", "n"])
    return draw_efficiency(curves, "mini-sd", "digits")


def denoised() -> Figure:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    errors = np.array([[3.25, 1.5], [12345.6, 20000.0]])
    return draw_denoised([picture] * 2, ["a bag", "a boot"], [picture] * 2, [[picture] * 2] * 2, [0, 1], errors)


def race(classes: int = 3) -> Figure:
    noise = np.random.default_rng(0).exponential(size=(len(DRAWS), 1))
    means = np.cumsum(noise * (1 + 0.1 * np.arange(classes)), axis=0) / np.array(DRAWS)[:, None]
    means[25:, 1] = np.nan
    eliminated_at = np.full(classes, np.nan)
    eliminated_at[1] = 25
    return draw_race(means, [f"class {index}" for index in range(classes)], eliminated_at, DRAWS)


def binding() -> Figure:
    rows = [
        (task, model, split, 0.8, 0.7, 0.9, 50)
        for task in ("Shape", "Shape,Color", "Shape|Color")
        for model in ("mini-sd", "mini-if")
        for split in ("all", "seen", "held-out")
    ]
    return draw_binding(pd.DataFrame(rows, columns=["task", "model", "split", "accuracy", "low", "high", "n"]))


def calls() -> Figure:
    rows = {
        "model": ["mini-sd", "mini-if"] * 10,
        "dataset": "digits",
        "calls": range(20, 40),
        "correct": [True, False] * 10,
    }
    return draw_calls(pd.DataFrame(rows))


def controlled() -> Figure:
    rows = [
        (kind, split, model, 0.7, 0.6, 0.8, 40, 10)
        for kind in ("recognition", "pair", "binding")
        for split in ("seen", "held-out")
        for model in ("mini-sd", "mini-clip")
    ]
    columns = ["kind", "split", "model", "accuracy", "low", "high", "n", "images"]
    return draw_controlled(pd.DataFrame(rows, columns=columns))


def shape_bias() -> Figure:
    rows = [
        (model, category, 0.5, 0.4, 0.6, 80, 40, 20, 15, bias, 0.3, 0.9, 60 if bias else 0)
        for model in ("mini-sd", "mini-clip@64")
        for category, bias in (("bear", 0.7), ("truck", np.nan), ("all", 0.6))
    ]
    names = ["accuracy", "low", "high", "n", "shape", "texture", "other", "bias", "bias_low", "bias_high", "bias_n"]
    return draw_shape_bias(pd.DataFrame(rows, columns=["model", "category", *names]), "cue_conflict")


def binding_errors() -> Figure:
    shapes = pd.DataFrame(
        [("m", "cube", "sphere", 0.9, 0.7, 1.0, 20)], columns=["model", "true", "false", "accuracy", "low", "high", "n"]
    )
    larger = pd.DataFrame(
        [("m", "colour", 0.8, 0.6, 0.9, 20)], columns=["model", "attribute", "share", "low", "high", "n"]
    )
    return draw_binding_errors(shapes, larger)


def reliability() -> Figure:
    bins = [("a", 0.9, 0.8, 0.6, 0.9, 20), ("b", 0.5, 0.6, 0.4, 0.8, 20)]
    table = pd.DataFrame([("a", 0.1, 20, 30), ("b", 0.05, 20, 30)], columns=["confidence", "ece", "n", "n_calibration"])
    names = ["confidence_kind", "confidence", "accuracy", "low", "high", "n"]
    return draw_reliability(pd.DataFrame(bins, columns=names), table, "mini-sd on digits")


def timesteps() -> Figure:
    rows = [(t, 10 * t, 11 * t, 0.1, 0.0, 0.2, t, t - 0.1, t + 0.1, 20) for t in (0.25, 0.75)]
    return draw_timesteps(pd.DataFrame(rows, columns=list(PROFILE_COLUMNS)), "mini-sd on digits")


def frontier() -> Figure:
    rows = [
        (weighting, family, "p", calls, 0.5, 0.4, 0.6, 20, 0.0, calls == 2.0)
        for weighting in ("heuristic", "simple", "vdm")
        for family in ("no pruning", "t-test p < 0.002", "stages")
        for calls in (2.0, 20.0)
    ]
    names = [
        "weighting",
        "family",
        "policy",
        "calls_per_class",
        "accuracy",
        "low",
        "high",
        "n",
        "reached_max_scores",
        "efficient",
    ]
    return draw_frontier(pd.DataFrame(rows, columns=names), "mini-sd on digits")


def sensitivity() -> Figure:
    grid = [(p, m, n, 7.0) for p in (0.002, 0.02) for m in (5, 10) for n in (20, 40)]
    grid += [(0.002, 10, 40, rate) for rate in (0.0, 3.0)]
    rows = [(*setting, 10.0, 0.5, 0.4, 0.6, 20, 0.1) for setting in grid]
    names = [
        "cutoff_pval",
        "min_scores",
        "max_scores",
        "decay",
        "calls_per_class",
        "accuracy",
        "low",
        "high",
        "n",
        "reached_max_scores",
    ]
    return draw_sensitivity(pd.DataFrame(rows, columns=names), 7.0, "mini-sd on digits")


def samples() -> Figure:
    pictures = np.zeros((3, 2, 4, 4, 3), dtype=np.uint8)
    return draw_samples(pictures, ["a photo of the number: 0", "one", "two"], "mini-sd: 4 steps")


WANTED = {
    confusion: ["accuracy 75.0 %", "after the best permutation", "Predicted class", "dress"],
    calls: ["Calls per item (denoiser evaluations)", "mini-if on digits", "wrong"],
    paired_comparison: ["digits: a − b (n = 30)", "bootstrap 95 % interval"],
    controlled: ["seen combinations (10 scenes)", "held-out combinations (10 scenes)", "recognition", "chance"],
    shape_bias: [
        "Shape accuracy, cue_conflict",
        "Shape bias",
        "truck",
        "all",
        "mini-clip@64",
        "shape as often as texture",
    ],
    binding_errors: ["cube, not sphere", "its colour", "Is the larger object preferred?"],
    reliability: ["ECE 0.050 on 20 images", "Confidence (%)", "fitted on 30 other images"],
    timesteps: ["Squared error (log scale)", "strongest wrong prompt", "t (0: no noise, 1: only noise)"],
    frontier: ["Calls per class and image (log scale)", "t-test p < 0.002", "best for its cost,"],
    sensitivity: ["cutoff_pval 0.02", "max_scores", "Calls per class", "decay of exp(-decay t)"],
    samples: ["a photo of the", "mini-sd: 4 steps"],
    efficiency: ["Accuracy (%)", "Denoiser calls per class and image (log scale)", "shared + pruning"],
    denoised: ["a bag", "a boot", "3.25", "12,346", "noised"],
    race: ["Draws (log scale", "Mean weighted score (squared error)", "class 1 (25)", "Best (thick line): class 0"],
    binding: ["Accuracy (%), only seen combinations", "Shape|Color", "mini-if", "chance"],
}


@pytest.mark.parametrize("draw", WANTED, ids=lambda draw: draw.__name__)
def test_files_are_complete_labelled_and_reproducible(draw: Callable[[], Figure], tmp_path: Path) -> None:
    for subfolder in ("first", "second"):
        save_figure(draw(), tmp_path / subfolder / "figure.v1")
    for name in ("figure.v1.svg", "figure.v1.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    svg = ElementTree.parse(tmp_path / "first" / "figure.v1.svg").getroot()
    text = " ".join("".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text"))
    assert [wanted for wanted in WANTED[draw] if wanted not in text] == []
    with Image.open(tmp_path / "first" / "figure.v1.png") as image:
        image.verify()
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)


@pytest.mark.parametrize("draw", WANTED, ids=lambda draw: draw.__name__)
def test_no_text_is_cut_off(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()
    needed = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    slack = 0.02  # inches, less than the width of a letter's stroke
    assert needed.x0 > -slack and needed.y0 > -slack
    assert needed.x1 < width + slack and needed.y1 < height + slack


@pytest.mark.parametrize("draw", WANTED, ids=lambda draw: draw.__name__)
def test_no_text_of_any_figure_is_parsed_as_a_formula(draw):
    figure = draw()
    with matplotlib.rc_context(STYLE):  # as in save_figure
        figure.draw_without_rendering()
    texts = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    assert texts and not [text.get_text() for text in texts if text.get_parse_math()]
    # Labels that matplotlib itself writes as formulas, such as those of logarithmic axes, would now be shown as source.
    assert not [text.get_text() for text in texts if "$" in text.get_text() or "mathdefault" in text.get_text()]


def test_right_prompt_is_framed_and_lowest_error_is_bold() -> None:
    axes = denoised().axes  # row by row: image, noised, two prompts
    framed = [index for index, each in enumerate(axes) if each.spines["left"].get_visible()]
    bold = [index for index, each in enumerate(axes) if each.xaxis.label.get_weight() == "bold"]
    assert framed == [2, 7]
    assert bold == [3, 6]


def test_race_of_many_classes_names_the_last_in_a_legend() -> None:
    legend = race(classes=30).axes[0].get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["class 0", *(f"class {index}" for index in range(2, 11)), "the other 20"]


def test_race_of_a_single_draw_can_be_drawn(tmp_path: Path) -> None:
    save_figure(draw_race(np.array([[2.0, 1.0]]), ["a", "b"], np.array([np.nan, np.nan]), [1]), tmp_path / "race")
    assert "Best (thick line): b" in (tmp_path / "race.svg").read_text()


def test_binding_refuses_a_split_without_decisions() -> None:
    with pytest.raises(ValueError, match="found no decision on the split 'unseen'"):
        draw_binding(pd.DataFrame({"split": ["seen"], "n": [5], "task": ["Shape"], "model": ["m"]}), "unseen")


def test_efficiency_refuses_an_unknown_curve() -> None:
    with pytest.raises(ValueError, match="found curve 'pruned'"):
        draw_efficiency(pd.DataFrame({"curve": ["pruned"]}), "mini-sd", "digits")


def test_labels_are_spread_without_changing_their_order() -> None:
    assert spread_labels([1, 1, 1, 5], 1) == pytest.approx([0, 1, 2, 5])
    assert spread_labels([0, 3, 2.9], 1) == pytest.approx([0, 3.45, 2.45])
    assert spread_labels([], 1) == []


def test_the_confusion_figure_shows_the_accuracy_after_the_best_permutation() -> None:
    assert permuted_accuracy(np.array([[0, 9, 1], [8, 2, 0], [0, 0, 10]])) == pytest.approx(27 / 30)


def test_significant_paired_differences_are_filled() -> None:
    marks = [line for line in paired_comparison().axes[0].get_lines() if line.get_marker() == "o"]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [True, False]


def test_a_split_without_a_decision_leaves_its_panel_empty() -> None:
    columns = ["kind", "split", "model", "accuracy", "low", "high", "n", "images"]
    rows = [("pair", "seen", "m", 0.7, 0.6, 0.8, 40, 10), ("pair", "held-out", "m", np.nan, np.nan, np.nan, 0, 0)]
    titles = [axes.get_title(loc="left") for axes in draw_controlled(pd.DataFrame(rows, columns=columns)).axes]
    assert titles == ["seen combinations (10 scenes)", "held-out combinations (0 scenes)"]


def test_binding_errors_without_a_decision_show_a_message() -> None:
    empty = pd.DataFrame(columns=["model", "true", "false", "accuracy", "low", "high", "n"])
    figure = draw_binding_errors(empty, pd.DataFrame(columns=["model", "attribute", "share", "low", "high", "n"]))
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no such decision in this run"] * 2
