"""Tables for readers: a grid of texts, written as Markdown, LaTeX and the JSON that the report page shows.

pandas writes neither format as needed: `DataFrame.to_markdown` requires tabulate, and `Styler.to_latex` escapes ten characters but keeps
`**bold**`, code and signs such as † and ≠ as they are.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
from pandas.api.typing import NAType

from diffzero.reporting.digests import write_digests
from diffzero.utils.io import write_atomically
from diffzero.utils.provenance import Sources

NO_VALUE = "–"
"""A value that this run has not computed, or that the paper does not report."""
NOT_APPLICABLE = "n/a"
"""A value that cannot exist for this row, such as the calls of a baseline."""
SIGN_NOTES = {
    NO_VALUE: f"{NO_VALUE}: not run, or not reported.",
    NOT_APPLICABLE: f"{NOT_APPLICABLE}: does not apply to this row.",
}
TABLE_FORMATS = ("csv", "md", "tex", "json")
_BOLD, _CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"`([^`]+)`")
# What Markdown would read as a tag, an entity, a formula or emphasis; `**` is ours, and an underscore within a word is plain text.
_MARKDOWN = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)|\$|(?<!\w)_|_(?!\w)|(?<!\*)\*(?!\*)")
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}",
    NO_VALUE: "--", "†": r"$^\dagger$", "≠": r"$\neq$", "±": r"$\pm$", "−": r"$-$", "—": "---", "·": r"$\cdot$",
})  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Header and rows of one table. In all texts `**x**` is bold, and x in backticks is code."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())

    @property
    def all_notes(self) -> list[str]:
        """The notes, after one on the signs for absent values that the rows contain."""
        cells = {cell for row in self.rows for cell in row}
        signs = " ".join(text for sign, text in SIGN_NOTES.items() if sign in cells)
        return [signs, *self.notes] if signs else list(self.notes)


@dataclass(frozen=True)
class TableResult:
    """One result table: its values, and how readers see them."""

    frame: pd.DataFrame
    layouts: Sequence[Layout]
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Other CSV files, by their path in the folder of the run."""


def format_number(value: float, digits: int, scale: float = 1, absent: str = NOT_APPLICABLE) -> str:
    """Format a rounded value; `absent` for nan."""
    return absent if pd.isna(value) else f"{value * scale:,.{digits}f}"


def format_percent(value: float) -> str:
    """Format a share in percent with one decimal; NO_VALUE for nan."""
    return format_number(value, 1, 100, NO_VALUE)


def format_points(value: float) -> str:
    """Format a difference of shares in percentage points, with its sign and a true minus sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def format_interval(value: float, low: float, high: float, n: int) -> str:
    """Format a share with its interval as `value [low, high]` in percent; NO_VALUE for n = 0."""
    return f"{format_percent(value)} [{format_percent(low)}, {format_percent(high)}]" if n else NO_VALUE


def format_pvalue(value: float) -> str:
    """Format a p-value with two significant digits, `< 0.0001` below that; NO_VALUE for nan."""
    return NO_VALUE if math.isnan(value) else "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def format_difference_flag(value: bool | NAType) -> str:
    """Format whether a cell differs from the paper: yes, no, or NO_VALUE where this run or the paper has no such cell."""
    return NO_VALUE if pd.isna(value) else "yes" if value else "no"


def missing_note(entries: Iterable[str]) -> list[str]:
    """Return the note that lists missing results; no note without entries."""
    listed = list(entries)
    return [f"Missing ({NO_VALUE}): {'; '.join(listed)}."] if listed else []


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    # The names of some tasks contain a bar, which would end their Markdown cell.
    lines = [[to_markdown_text(cell).replace("|", r"\|") for cell in line] for line in (header, *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(header), *lines[1:]])


def to_markdown_text(text: str) -> str:
    """Return text as Markdown on one line: signs of names and notes are escaped, `**x**` and code stay as they are."""
    parts = re.split("(`[^`]+`)", " ".join(text.splitlines()))  # alternates between text and code
    parts[::2] = [_MARKDOWN.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def to_markdown(layouts: Sequence[Layout]) -> str:
    """Return the layouts one after the other, each with its notes, and with its title if there are several."""
    parts = []
    for layout in layouts:
        parts += [f"### {to_markdown_text(layout.title)}"] if len(layouts) > 1 else []
        parts += [markdown_table(layout.header, layout.rows), *map(to_markdown_text, layout.all_notes)]
    return "\n\n".join(parts) + "\n"


def to_latex_text(text: str) -> str:
    r"""Return text as LaTeX: special characters escaped, `**x**` bold, and code as \texttt that can be copied from the PDF."""
    parts = _CODE.split(" ".join(text.splitlines()))  # alternates between text and code
    parts[::2] = [_BOLD.sub(r"\\textbf{\1}", part.translate(_LATEX)) for part in parts[::2]]
    # Two hyphens would become one dash, and a straight quote a curly one.
    code = [re.sub("-(?=-)", "-{}", part.translate(_LATEX)).replace("'", r"\textquotesingle{}") for part in parts[1::2]]
    parts[1::2] = [rf"\texttt{{{part}}}" for part in code]
    return "".join(parts)


def to_latex(layouts: Sequence[Layout]) -> str:
    r"""Return one booktabs `table` environment per layout, with its notes; requires \usepackage{booktabs}."""
    return "\n".join(_latex_table(layout) for layout in layouts)


def _latex_table(layout: Layout) -> str:
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{to_latex_text(layout.title)}}}"]
    lines += [rf"\begin{{tabular}}{{{'l' * len(layout.header)}}}", r"\toprule"]
    body = [" & ".join(to_latex_text(cell) for cell in row) + r" \\" for row in [layout.header, *layout.rows]]
    lines += [body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {to_latex_text(note)}" for note in layout.all_notes]
    return "\n".join([*lines, r"\end{table}", ""])


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV with 6 significant digits."""
    write_atomically(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())


def write_table(
    frame: pd.DataFrame,
    layouts: Sequence[Layout],
    paths: Iterable[str | Path],
    sources: Sources | None = None,
    data: Iterable[Path] = (),
) -> None:
    """Write a table to each path, in the format of its suffix: csv (the frame), md, tex or json (the layouts).

    Parameters
    ----------
    frame, layouts
        The table.
    paths
        The files. The JSON file comes last: it names the SHA-256 of the others and of `data`.
    sources
        The results that the table was made from and their digests.
    data
        Other files that were written with the table.
    """
    written = list(data)
    for path in map(Path, paths):
        match path.suffix:
            case ".csv":
                write_csv(frame, path)
            case ".md":
                write_atomically(path, to_markdown(layouts).encode())
            case ".tex":
                write_atomically(path, to_latex(layouts).encode())
            case ".json":
                content = {"layouts": [asdict(layout) | {"notes": layout.all_notes} for layout in layouts]}
                write_digests(path, written, sources, content)
            case suffix:
                raise ValueError(f"{path}: found the suffix {suffix!r}, expected one of {TABLE_FORMATS}.")
        written.append(path)
