"""Table formats: LaTeX that can be copied, and CSV."""

import math
from pathlib import Path

import pandas as pd

from diffzero.reporting.table_format import to_latex_text, write_table
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


def test_written_csv_has_six_digits_and_empty_cells(tmp_path: Path) -> None:
    table = build_table1(predictions("mini-sd", "110"), COSTS)
    paths = [tmp_path / "tables" / f"table1.{kind}" for kind in ("csv", "md", "tex", "json")]
    write_table(table, format_table1(table), map(str, paths))
    line = paths[0].read_text().splitlines()[1]
    assert line == "mini-sd,digits,0.666667,0.20766,0.938508,3,20,100,3.5,,0.333333,0,,,diffusion"
    assert all(path.read_text() for path in paths)
