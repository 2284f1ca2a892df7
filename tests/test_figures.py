"""Figures: files come out whole and the same each time, and what a reader needs is in them."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from diffzero import figures
from diffzero.style import spread

DRAWS = list(range(1, 61))


def efficiency() -> Figure:
    rows = [(variant, calls, 0.5, 0.4, 0.6, 100) for variant in figures.VARIANTS for calls in (1.0, 10.0, 100.0)]
    curves = pd.DataFrame(rows, columns=["variant", "calls_per_class", "accuracy", "low", "high", "n"])
    return figures.efficiency(curves, "mini-sd", "digits")


def denoised() -> Figure:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    errors = np.array([[3.25, 1.5], [12345.6, 20000.0]])
    return figures.denoised([picture] * 2, ["a bag", "a boot"], [picture] * 2, [[picture] * 2] * 2, [0, 1], errors)


def race(classes: int = 3) -> Figure:
    noise = np.random.default_rng(0).exponential(size=(len(DRAWS), 1))
    means = np.cumsum(noise * (1 + 0.1 * np.arange(classes)), axis=0) / np.array(DRAWS)[:, None]
    means[25:, 1] = np.nan
    pruned_at = np.full(classes, np.nan)
    pruned_at[1] = 25
    return figures.race(means, [f"class {index}" for index in range(classes)], pruned_at, DRAWS)


def binding() -> Figure:
    rows = [
        (task, model, split, 0.8, 0.7, 0.9, 50)
        for task in ("Shape", "Shape,Color", "Shape|Color")
        for model in ("mini-sd", "mini-if")
        for split in ("all", "seen", "held-out")
    ]
    return figures.binding(pd.DataFrame(rows, columns=["task", "model", "split", "accuracy", "low", "high", "n"]))


WANTED = {
    efficiency: ["Accuracy (%)", "Denoiser calls per class and image (log scale)", "shared + pruning"],
    denoised: ["a bag", "a boot", "3.25", "12,346", "noised"],
    race: ["Draws (log scale", "Mean weighted score (squared error)", "class 1 (25)", "Best (thick line): class 0"],
    binding: ["Accuracy (%), only seen combinations", "Shape|Color", "mini-if", "chance"],
}


@pytest.mark.parametrize("draw", WANTED, ids=lambda draw: draw.__name__)
def test_files_are_whole_labelled_and_the_same_again(draw: Callable[[], Figure], tmp_path: Path) -> None:
    for folder in ("first", "second"):
        figures.save(draw(), tmp_path / folder / "figure.v1")
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
    figures.save(figures.race(np.array([[2.0, 1.0]]), ["a", "b"], np.array([np.nan, np.nan]), [1]), tmp_path / "race")
    assert "Best (thick line): b" in (tmp_path / "race.svg").read_text()


def test_binding_draws_the_split_it_is_asked_for() -> None:
    with pytest.raises(ValueError, match="found no decision on the split 'unseen'"):
        figures.binding(pd.DataFrame({"split": ["seen"], "n": [5], "task": ["Shape"], "model": ["m"]}), "unseen")


def test_efficiency_refuses_a_variant_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="found variant 'pruned'"):
        figures.efficiency(pd.DataFrame({"variant": ["pruned"]}), "mini-sd", "digits")


def test_labels_are_spread_without_changing_their_order() -> None:
    assert spread([1, 1, 1, 5], 1) == pytest.approx([0, 1, 2, 5])
    assert spread([0, 3, 2.9], 1) == pytest.approx([0, 3.45, 2.45])
    assert spread([], 1) == []
