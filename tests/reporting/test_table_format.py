"""Table formats: LaTeX that can be copied, and CSV."""

import math
from pathlib import Path

import pandas as pd
import pytest

from diffzero.reporting.html.page import to_markup
from diffzero.reporting.table_format import Layout, to_latex, to_latex_text, to_markdown, to_markdown_text, write_table
from diffzero.reporting.tables.table1_accuracy import build_table1, format_table1
from predictions_of import predictions

COSTS = pd.DataFrame(
    {
        "model": ["mini-sd"] * 2,
        "dataset": ["digits"] * 2,
        "calls": [60, 40],
        "seconds": [1.5, 2.0],
        "gpu_hours": [math.nan] * 2,
    }
)


def test_a_command_in_a_note_can_be_copied_from_latex() -> None:
    command = "snakemake --configfile=a_b.yaml --config 'm=[x, y]' -- r/p.parquet"
    latex = to_latex_text(f"**1** – 5 % missing. `{command}`, see `full_scoring`.")
    code = (
        r"snakemake -{}-configfile=a\_b.yaml -{}-config \textquotesingle{}m=[x, y]\textquotesingle{} -{}- r/p.parquet"
    )
    assert latex == rf"\textbf{{1}} -- 5 \% missing. \texttt{{{code}}}, see \texttt{{full\_scoring}}."
    assert "`" not in latex


@pytest.mark.parametrize(
    ("text", "markdown", "latex"),
    [
        ("5$ and 6$", r"5\$ and 6\$", r"5\$ and 6\$"),
        ("x$\\frac{$", r"x\$\frac{\$", r"x\$\textbackslash{}frac\{\$"),
        (
            "<b>x</b> &amp; < 1",
            r"\<b>x\</b> \&amp; < 1",
            r"\textless{}b\textgreater{}x\textless{}/b\textgreater{} \&amp; \textless{} 1",
        ),
        ("_a_ cue_conflict", r"\_a\_ cue_conflict", r"\_a\_ cue\_conflict"),
        ("*a* and **b**", r"\*a\* and **b**", r"*a* and \textbf{b}"),
        ("two\nlines\r\nhere", "two lines here", "two lines here"),
        ("`a_b *c*`", "`a_b *c*`", r"\texttt{a\_b *c*}"),
    ],
)
def test_signs_in_names_and_notes_stay_text(text: str, markdown: str, latex: str) -> None:
    assert to_markdown_text(text) == markdown
    assert to_latex_text(text) == latex
    assert "<b>" not in to_markup(text)


def test_a_name_cannot_end_its_cell_or_row() -> None:
    layout = Layout("A | B\nC", ["name | n"], [["a|b\n| c |"]], ["note\n\nwith | lines"])
    lines = to_markdown([layout, layout]).splitlines()
    assert lines[0] == "### A | B C" and lines[2:5] == [r"| name \| n |", "| --- |", r"| a\|b \| c \| |"]
    assert r"a\textbar{}b \textbar{} c \textbar{} \\" in to_latex([layout]).splitlines()


def test_written_csv_has_six_digits_and_empty_cells(tmp_path: Path) -> None:
    table = build_table1(predictions("mini-sd", "110"), COSTS)
    paths = [tmp_path / "tables" / f"table1.{kind}" for kind in ("csv", "md", "tex", "json")]
    write_table(table, format_table1(table), map(str, paths))
    line = paths[0].read_text().splitlines()[1]
    assert line == "mini-sd,digits,0.666667,0.20766,0.938508,3,20,100,3.5,,0.333333,0,,,diffusion"
    assert all(path.read_text() for path in paths)
