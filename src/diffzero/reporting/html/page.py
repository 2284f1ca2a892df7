"""The report page: layouts, figures and captions in one self-contained HTML file."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from diffzero.reporting.digests import read_intact
from diffzero.reporting.figures import FIGURES
from diffzero.reporting.table_format import Layout
from diffzero.reporting.tables import TABLES
from diffzero.utils.freshness import require_fresh
from diffzero.utils.provenance import dump, link_sources, sign
from diffzero.utils.result_files import digests_of

TEMPLATE_DIR = Path(__file__).parent
MIME = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
_CODE, _BOLD = re.compile(r"`+([^`]+)`+"), re.compile(r"\*\*(.+?)\*\*")


class RunFacts(TypedDict):
    """Facts about the run that the page shows."""

    run: str
    seeds: list[int]
    subset_seed: int
    images: int  # maximum number per data set
    policy: str
    weighting: str
    command: str  # repeats the run
    run_dir: str
    datasets: list[str]
    models: list[str]


@dataclass(frozen=True)
class ReportContents:
    """The contents of the page."""

    facts: RunFacts
    missing: Sequence[str]
    """Notes on results that do not exist yet."""
    tables: Sequence[Path]
    """Every format of every table."""
    figures: Sequence[Path]
    """SVG files."""
    captions: Sequence[Path]
    """One .rst file per table and per kind of figure."""
    provenance: Sequence[Layout]


class TableEntry(TypedDict):
    """One table as the template shows it."""

    stem: str
    layouts: list[dict[str, Any]]
    links: list[dict[str, str]]
    caption: str


class FigureEntry(TypedDict):
    """One figure as the template shows it."""

    stem: str
    title: str
    caption: str
    about: str  # words that the filter finds
    width: int
    height: int
    url: str


def to_markup(text: str) -> Markup:
    """Return text as HTML: escaped, `x` as code, **x** as bold."""
    safe = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_BOLD.sub(r"<strong>\1</strong>", safe))


def to_data_url(data: bytes, mime: str) -> str:
    """Return the data as a data URL, for a page without other files."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _position_in(name: str, order: Iterable[str]) -> int:
    """Return the position in the order; names that are not in it come last."""
    names = list(order)
    return names.index(name) if name in names else len(names)


def _list_tables(paths: Sequence[Path], captions: Mapping[str, str]) -> list[TableEntry]:
    by_stem: dict[str, dict[str, Path]] = {}
    for path in paths:
        by_stem.setdefault(path.stem, {})[path.suffix[1:]] = path
    entries: list[TableEntry] = []
    for stem in sorted(by_stem, key=lambda stem: (_position_in(stem, TABLES), stem)):
        files = by_stem[stem]
        links = [{"name": f"{stem}.{kind}", "url": to_data_url(files[kind].read_bytes(), MIME[kind])} for kind in MIME]
        layouts = read_intact(files["json"])["layouts"]
        entries.append({"stem": stem, "layouts": layouts, "links": links, "caption": captions.get(stem, "")})
    return entries


def _read_size(svg: str) -> tuple[int, int]:
    """Return width and height of an SVG in CSS pixels, from the points that matplotlib writes."""
    sizes = [re.search(rf'<svg[^>]*? {name}="([\d.]+)pt"', svg) for name in ("width", "height")]
    width, height = (round(float(size[1]) * 96 / 72) if size else 0 for size in sizes)
    return width, height


def _describe_figure(path: Path, captions: Mapping[str, str], run_words: str) -> FigureEntry:
    """Describe one figure. The filter finds a figure of several models or data sets by the names of all of the run."""
    stem = path.stem
    read_intact(path.with_suffix(".json"))
    kind = next((kind for kind in FIGURES if stem == kind or stem.startswith(f"{kind}-")), "")
    subject = stem.removeprefix(kind).lstrip("-") if kind else ""
    title, caption = (FIGURES[kind].title, FIGURES[kind].caption or kind) if kind else (stem, stem)
    width, height = _read_size(path.read_text(encoding="utf-8"))
    return {
        "stem": stem,
        "title": f"{title}: {subject}" if subject else title,
        "caption": captions.get(caption, ""),
        "about": subject or run_words,
        "width": width,
        "height": height,
        "url": to_data_url(path.read_bytes(), "image/svg+xml"),
    }


def _list_figures(paths: Sequence[Path], captions: Mapping[str, str], run_words: str) -> list[FigureEntry]:
    def rank(path: Path) -> tuple[int, str]:
        kind = next((kind for kind in FIGURES if path.stem == kind or path.stem.startswith(f"{kind}-")), path.stem)
        return _position_in(kind, FIGURES), path.stem

    return [_describe_figure(path, captions, run_words) for path in sorted(paths, key=rank)]


def render_page(contents: ReportContents, path: Path) -> bytes:
    """Render the report as HTML that opens without a network: it contains styles, script, tables and figures.

    Parameters
    ----------
    contents
        What it shows.
    path
        Where it will be written. Its last lines name the digests of the tables and figures.

    Raises
    ------
    ResultFileError
        If a table or figure is damaged, or was made from other results than those that are there now.
    """
    facts = contents.facts
    captions = {path.stem: " ".join(path.read_text(encoding="utf-8").split()) for path in contents.captions}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_DIR), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["marked"] = to_markup
    records = [file.with_suffix(".json") for file in (*contents.tables, *contents.figures)]
    require_fresh(records)
    provenance = link_sources(path, digests_of(records), None)
    page = environment.get_template("page.html").render(
        facts=facts,
        missing=contents.missing,
        tables=_list_tables(contents.tables, captions),
        figures=_list_figures(contents.figures, captions, " ".join([*facts["models"], *facts["datasets"]])),
        provenance=contents.provenance,
        style=Markup((TEMPLATE_DIR / "page.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATE_DIR / "page.js").read_text(encoding="utf-8")),
        # Escaped, no text can end the element.
        digests=Markup(dump(provenance.to_json()).replace("<", "\\u003c")),
    )
    return sign(page.encode())
