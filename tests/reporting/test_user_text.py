"""Names that users give appear in figures as they are: never as formulas, and in the fonts that have their characters."""

import logging
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from diffzero.reporting import fonts
from diffzero.reporting.figures.confusion import draw_confusion
from diffzero.reporting.figures.denoised import draw_denoised
from diffzero.reporting.figures.missing import draw_missing
from diffzero.reporting.figures.race import draw_race
from diffzero.reporting.figures.samples import draw_samples
from diffzero.reporting.figures.style import save_figure
from diffzero.reporting.fonts import MAIN_FONT, choose_fallbacks, use_fallback_fonts

FORMULAS = [
    "x$\\frac{$",
    "5$ and 6$",
    "$x^2$",
    "a_b^c",
    "\\alpha",
    "100 % & more",
    "<b>&amp;",
    "_hidden",
    "{braces}",
    "$$",
]
SCRIPTS = {
    "猫": "Noto Sans CJK JP",
    "ねこ": "Noto Sans CJK JP",
    "简体字": "Noto Sans CJK JP",
    "고양이": "Noto Sans CJK JP",
    "แมว": "Noto Sans Thai",
    "बिल्ली": "Noto Sans Devanagari",
    "🦥": "Noto Emoji",
}


def race(names: list[str]) -> Figure:
    means = np.cumsum(np.ones((30, len(names))), axis=0) + np.arange(len(names))
    ends = np.array([np.nan, *np.linspace(5, 29, len(names) - 1).round()])
    for index, end in enumerate(ends[1:], start=1):
        means[int(end) :, index] = np.nan
    return draw_race(means, names, ends, range(1, 31))


def confusion(names: list[str]) -> Figure:
    return draw_confusion(np.eye(len(names), dtype=np.int64) * 3, names, f"{names[0]} on {names[1]}")


def samples(names: list[str]) -> Figure:
    return draw_samples(np.zeros((len(names), 1, 4, 4, 3), dtype=np.uint8), names, names[0])


def missing(names: list[str]) -> Figure:
    return draw_missing(names[0], " ".join(names))


def written(figure: Figure, stem: Path) -> str:
    """Save a figure and return the text in its SVG."""
    save_figure(figure, stem)
    svg = ElementTree.parse(stem.with_suffix(".svg")).getroot()
    return " ".join("".join(element.itertext()) for element in svg.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("draw", [race, confusion, samples, missing])
@pytest.mark.parametrize("names", [FORMULAS, list(SCRIPTS)], ids=["formulas", "scripts"])
def test_names_appear_as_they_are_and_all_have_glyphs(draw, names, tmp_path, caplog, recwarn):
    text = "".join(written(draw(names), tmp_path / "figure").split())
    assert [name for name in names if "".join(name.split()) not in text] == []
    assert not [warning for warning in recwarn if "lyph" in str(warning.message)] and not caplog.records


def test_more_classes_than_have_a_place_are_named_in_the_legend_as_they_are(tmp_path):
    names = [f"_{k}$\\frac{{$" for k in range(14)]
    text = written(race(names), tmp_path / "race")
    assert [name for name in names if name in text] == [names[0], *names[5:]]


def test_denoised_images_with_any_prompt_can_be_drawn(tmp_path):
    picture = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    prompts = ["a photo of x$\\frac{$", "a photo of 猫"]
    figure = draw_denoised(picture, prompts, picture, np.stack([picture, picture], axis=1), [0, 1], np.ones((2, 2)))
    assert "x$\\frac{$" in written(figure, tmp_path / "denoised")


@pytest.mark.parametrize(("name", "family"), SCRIPTS.items())
def test_each_script_has_its_font(name, family):
    families, missing = choose_fallbacks(f"a {name}")
    assert family in families and not missing


def test_text_that_the_main_font_has_keeps_it(tmp_path):
    assert choose_fallbacks("a café, größe, кошка, γάτα ± − ≠ †\n") == ([], set())
    figure = confusion(["café", "кошка", "bag"])
    use_fallback_fonts(figure, "figure")
    assert not [text for text in figure.findobj(Text) if "Noto" in str(text.get_fontfamily())]


def test_a_character_without_a_glyph_is_named_in_the_log(caplog, tmp_path):
    with caplog.at_level(logging.WARNING):
        save_figure(confusion(["\U0001dffa", "bag"]), tmp_path / "figure")
    assert "figure figure: no font has" in caplog.text and "U+1DFFA" in caplog.text


def test_without_the_packages_the_log_says_which_to_install(caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "fallback_fonts", dict)
    with caplog.at_level(logging.WARNING):
        save_figure(confusion(["猫", "bag"]), tmp_path / "figure")
    assert "猫 (U+732B)" in caplog.text and "pip install noto-cjk-sans-jp-regular manimgx-fonts" in caplog.text


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12), min_size=2, max_size=4
    )
)
def test_any_names_can_be_drawn(names, tmp_path_factory):
    save_figure(race(names), tmp_path_factory.mktemp("any") / "race")


def test_the_main_font_is_matplotlibs_default():
    assert MAIN_FONT == "DejaVu Sans"
