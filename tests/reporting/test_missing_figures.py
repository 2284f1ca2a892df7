"""Placeholders of figures whose inputs do not exist yet."""

import pandas as pd

from diffzero.reporting.figures import FigureKey
from diffzero.reporting.figures.missing import write_missing_figures


def test_a_missing_figure_says_so_in_all_of_its_files(tmp_path):
    write_missing_figures(
        tmp_path, [FigureKey("frontier", "mini-sd", "digits"), FigureKey("paired_comparison")], "Run: snakemake x"
    )
    figures_dir = tmp_path / "figures"
    names = {path.name for path in figures_dir.iterdir()}
    assert names == {
        "frontier-mini-sd-digits.svg",
        "frontier-mini-sd-digits.png",
        "frontier-mini-sd-digits.csv",
        "frontier-mini-sd-digits.json",
        "paired_comparison.svg",
        "paired_comparison.png",
        "paired_comparison.json",
    }
    svg = (figures_dir / "frontier-mini-sd-digits.svg").read_text()
    assert "mini-sd on digits" in svg and "Run: snakemake x" in svg
    assert pd.read_csv(figures_dir / "frontier-mini-sd-digits.csv")["missing"].tolist() == ["Run: snakemake x"]
