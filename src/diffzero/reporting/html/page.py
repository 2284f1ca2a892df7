"""The page itself: layouts, figures and captions, put into one HTML file with everything inside."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from diffzero.reporting.table_format import Layout
from diffzero.utils.io import read_json

HERE = Path(__file__).parent
TABLE_ORDER = (
    "table1", "table2", "table3", "controlled", "table3-lewis", "table4", "transfer", "combined", "variants", "spread", "calibration",
    "paired", "cost",
)  # fmt: skip
FIGURE_ORDER = (
    "efficiency", "denoised", "reliability", "samples", "scenes", "binding", "controlled", "breakdown", "timesteps", "frontier",
    "sensitivity", "shapes", "confusion", "calls", "paired",
)  # fmt: skip
TITLES = {
    "efficiency": "Figure 2: efficiency",
    "denoised": "Figure 3: denoised images",
    "reliability": "Figure 5: calibration",
    "samples": "Figure 6: samples",
    "scenes": "The scenes",
    "binding": "Table 3 as a picture",
    "controlled": "Seen and held-out combinations",
    "breakdown": "How binding fails",
    "timesteps": "Where in t the decision is made",
    "frontier": "Accuracy against cost",
    "sensitivity": "Sensitivity",
    "shapes": "Shape or texture, by category",
    "confusion": "Confusion matrix",
    "calls": "Calls per item",
    "paired": "Paired comparison",
}
MIME = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
_CODE, _BOLD = re.compile(r"`+([^`]+)`+"), re.compile(r"\*\*(.+?)\*\*")


@dataclass(frozen=True)
class Contents:
    """What the page shows."""

    facts: Mapping[str, object]  # of Publication.facts
    missing: Sequence[str]  # notes of Publication.absent_everything
    tables: Sequence[Path]  # all formats
    figures: Sequence[Path]  # SVG
    captions: Sequence[Path]  # one .rst a kind of table or figure
    provenance: Sequence[Layout]


def marked(text: str) -> Markup:
    """Text as HTML: escaped, `x` as code, **x** as bold."""
    safe = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_BOLD.sub(r"<strong>\1</strong>", safe))


def data_url(data: bytes, mime: str) -> str:
    """The data as a link that needs no file."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _kind(stem: str, order: Sequence[str]) -> str:
    return next((kind for kind in order if stem == kind or stem.startswith(f"{kind}-")), stem)


def _tables(paths: Sequence[Path], captions: Mapping[str, str]) -> list[dict]:
    by_stem: dict[str, dict[str, Path]] = {}
    for path in paths:
        by_stem.setdefault(path.stem, {})[path.suffix[1:]] = path
    found = []
    for stem in sorted(
        by_stem, key=lambda stem: (TABLE_ORDER.index(stem) if stem in TABLE_ORDER else len(TABLE_ORDER), stem)
    ):
        files = by_stem[stem]
        links = [{"name": f"{stem}.{kind}", "url": data_url(files[kind].read_bytes(), MIME[kind])} for kind in MIME]
        found.append(
            {"stem": stem, "layouts": read_json(files["json"]), "links": links, "caption": captions.get(stem, "")}
        )
    return found


def _pixels(svg: str) -> tuple[int, int]:
    """Width and height of an SVG in CSS pixels, from the points that matplotlib writes."""
    sizes = [re.search(rf'<svg[^>]*? {name}="([\d.]+)pt"', svg) for name in ("width", "height")]
    return tuple(round(float(size[1]) * 96 / 72) for size in sizes)


def _figures(paths: Sequence[Path], captions: Mapping[str, str], everything: str) -> list[dict]:
    """What each figure shows; a figure of no single model and data set is about `everything`, for the filter."""
    found = []
    for path in paths:
        kind = _kind(path.stem, FIGURE_ORDER)
        about = path.stem.removeprefix(kind).lstrip("-")
        width, height = _pixels(path.read_text(encoding="utf-8"))
        entry = {"stem": path.stem, "kind": kind, "width": width, "height": height, "about": about or everything}
        entry["title"] = f"{TITLES.get(kind, kind)}{f': {about}' if about else ''}"
        entry["caption"] = captions.get(f"{kind}-figure", captions.get(kind, ""))
        found.append(entry | {"url": data_url(path.read_bytes(), "image/svg+xml")})
    order = {kind: place for place, kind in enumerate(FIGURE_ORDER)}
    return sorted(found, key=lambda figure: (order.get(figure["kind"], len(order)), figure["stem"]))


def page(contents: Contents) -> str:
    """The report as HTML that opens without a network: styles, script, tables and figures are inside."""
    facts = contents.facts
    captions = {path.stem: " ".join(path.read_text(encoding="utf-8").split()) for path in contents.captions}
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = marked
    return environment.get_template("page.html").render(
        facts=facts,
        missing=contents.missing,
        tables=_tables(contents.tables, captions),
        figures=_figures(contents.figures, captions, " ".join([*facts["models"], *facts["datasets"]])),
        provenance=contents.provenance,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
    )
