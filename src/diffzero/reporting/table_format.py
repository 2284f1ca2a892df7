"""A table as it is read: one grid of texts, written as Markdown, LaTeX and the JSON that the report page shows."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from diffzero.utils.io import write_atomically, write_json

MISSING = "–"
FORMATS = ("csv", "md", "tex", "json")
_BOLD, _CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"`([^`]+)`")
_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}",
    MISSING: "--", "†": r"$^\dagger$", "≠": r"$\neq$", "±": r"$\pm$", "−": r"$-$", "—": "---", "·": r"$\cdot$",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Header and rows of one table; `**x**` is bold, and x in backticks is code. Notes say how to read it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())


def number(value: float, digits: int, scale: float = 1) -> str:
    """The rounded value, empty where there is none to expect; a run that is missing is shown as MISSING instead."""
    return "" if pd.isna(value) else f"{value * scale:,.{digits}f}"


def percent(value: float) -> str:
    """A share in percent with one decimal, empty for nan."""
    return number(value, 1, 100)


def with_interval(value: float, low: float, high: float, n: int) -> str:
    """`value [low, high]` in percent, MISSING for n = 0."""
    return f"{percent(value)} [{percent(low)}, {percent(high)}]" if n else MISSING


def pvalue(value: float) -> str:
    """A p-value with two significant digits, `< 0.0001` below that, empty for nan."""
    return "" if math.isnan(value) else "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def agreement(value: object) -> str:
    """Whether a cell agrees with the paper's: `yes`, `≠` where the difference exceeds both errors, empty where unknown."""
    return "" if pd.isna(value) else "yes" if value else "≠"


def missing_note(entries: Iterable[str]) -> list[str]:
    """The note that lists what is missing, or nothing."""
    listed = list(entries)
    return [f"Missing ({MISSING}): {'; '.join(listed)}."] if listed else []


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    # A task's name holds a bar, which would end its Markdown cell.
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def to_markdown(layouts: Sequence[Layout]) -> str:
    """The layouts one after the other, each with its notes; titles where there are several."""
    parts = []
    for layout in layouts:
        parts += [f"### {layout.title}"] if len(layouts) > 1 else []
        parts += [grid(layout.header, layout.rows), *layout.notes]
    return "\n\n".join(parts) + "\n"


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped, `**x**` as bold and what stands in backticks as \\texttt, to be copied as it is."""
    parts = _CODE.split(text)  # text and code by turns
    parts[::2] = [_BOLD.sub(r"\\textbf{\1}", _escaped(part)) for part in parts[::2]]
    # Two hyphens would become one dash, and a straight quote a curly one.
    code = [re.sub("-(?=-)", "-{}", _escaped(part)).replace("'", r"\textquotesingle{}") for part in parts[1::2]]
    parts[1::2] = [rf"\texttt{{{part}}}" for part in code]
    return "".join(parts)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def to_latex(layouts: Sequence[Layout]) -> str:
    """One booktabs `table` environment a layout, notes below it; needs \\usepackage{booktabs}."""
    return "\n".join(_latex(layout) for layout in layouts)


def _latex(layout: Layout) -> str:
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(layout.title)}}}"]
    lines += [rf"\begin{{tabular}}{{{'l' * len(layout.header)}}}", r"\toprule"]
    body = [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in [layout.header, *layout.rows]]
    lines += [body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {latex_text(note)}" for note in layout.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def write(frame: pd.DataFrame, layouts: Sequence[Layout], paths: Iterable[str]) -> None:
    """Nothing; each path is written by its suffix: csv (the frame, 6 significant digits), md, tex, json."""
    for path in map(Path, paths):
        if path.suffix == ".json":
            write_json([asdict(layout) for layout in layouts], path)
            continue
        text = {
            ".csv": lambda: frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
            ".md": lambda: to_markdown(layouts),
            ".tex": lambda: to_latex(layouts),
        }[path.suffix]()
        write_atomically(path, text.encode())
