"""Fonts for the names that users give: Chinese, Japanese, Korean, Arabic, emoji and others, which matplotlib's own font lacks.

Two packages of Noto fonts are installed with diffzero, so that a figure looks the same on every machine. They are used only for texts that
need them: all other texts, and the bytes of their figures, do not depend on them.
"""

import functools
import logging
import unicodedata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

log = logging.getLogger(__name__)
FONT_PACKAGES = {"noto_cjk_sans_jp_regular": "noto-cjk-sans-jp-regular", "manimgx_fonts": "manimgx-fonts"}
"""Modules with font files, in order of preference, and the packages that install them."""
MAIN_FONT = "DejaVu Sans"
"""Matplotlib's default."""
# Characters that only join or vary their neighbours, and marks of the direction of text: no font draws them.
INVISIBLE_CATEGORIES = ("Cc", "Cf", "Mn", "Me")


@functools.cache
def _main_characters() -> frozenset[int]:
    return _characters(Path(font_manager.findfont(MAIN_FONT)))


def _characters(path: Path) -> frozenset[int]:
    return frozenset(FT2Font(str(path)).get_charmap())


@functools.cache
def fallback_fonts() -> dict[str, frozenset[int]]:
    """Return the characters of each installed font that can stand in, by the font's family, in order of preference."""
    found: dict[str, frozenset[int]] = {}
    for module in FONT_PACKAGES:
        spec = find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            continue
        paths = sorted(Path(spec.submodule_search_locations[0]).iterdir())
        for path in (path for path in paths if path.suffix in (".otf", ".ttf")):
            font_manager.fontManager.addfont(path)
            found.setdefault(font_manager.fontManager.ttflist[-1].name, _characters(path))
    return found


def choose_fallbacks(text: str) -> tuple[list[str], set[str]]:
    """Choose the fonts that a text needs besides the main one.

    Returns
    -------
    list of str
        Families, in order of preference.
    set of str
        Visible characters that no font has.
    """
    missing = {letter for letter in text if ord(letter) not in _main_characters() and letter not in "\n\t"}
    families = []
    for family, characters in fallback_fonts().items() if missing else ():
        if found := {letter for letter in missing if ord(letter) in characters}:
            families.append(family)
            missing -= found
    return families, {letter for letter in missing if unicodedata.category(letter) not in INVISIBLE_CATEGORIES}


def _iter_texts(figure: Figure) -> Iterator[Text]:
    for axes in figure.findobj(Axes):
        assert isinstance(axes, Axes)
        axes.get_xticklabels()  # matplotlib writes the tick labels only when they are asked for
        axes.get_yticklabels()
    yield from (artist for artist in figure.findobj(_is_text) if isinstance(artist, Text))


def _is_text(artist: Artist) -> bool:
    return isinstance(artist, Text)


def use_fallback_fonts(figure: Figure, name: str) -> None:
    """Give every text of a figure the fonts that it needs; a warning in the log names characters that no font has."""
    lacking: set[str] = set()
    for text in _iter_texts(figure):
        families, missing = choose_fallbacks(text.get_text())
        lacking |= missing
        if families:
            text.set_fontfamily([MAIN_FONT, *families])
    if lacking:
        named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in sorted(lacking))
        log.warning(
            "figure %s: no font has %s, drawn as boxes. Fonts are taken from the packages %s: pip install %s",
            name,
            named,
            " and ".join(FONT_PACKAGES.values()),
            " ".join(FONT_PACKAGES.values()),
        )
