"""Reported numbers are marked in the tables and are never in a column of measured ones."""

import math
from pathlib import Path

import pandas as pd

from diffzero.analysis.load import match_reported_models
from diffzero.reporting.table_format import NO_VALUE, NOT_APPLICABLE, Layout
from diffzero.reporting.tables.calibration import format_calibration
from diffzero.reporting.tables.combined_models import format_combined
from diffzero.reporting.tables.notes import top5_notes
from diffzero.reporting.tables.table1_accuracy import build_table1, format_table1
from diffzero.reporting.tables.table2_shape_bias import build_table2, format_table2
from diffzero.reporting.tables.table4_weighting import build_table4, format_table4

PAPER = Path(__file__).parents[2] / "config" / "paper"
NONE = pd.DataFrame(columns=["model", "dataset", "calls", "seconds", "gpu_hours"])


def predictions(model: str, dataset: str, **columns) -> pd.DataFrame:
    frame = {
        "model": model,
        "dataset": dataset,
        "kind": "baseline",
        "seed": 0,
        "item": ["a", "b"],
        "correct": [True, False],
    }
    return pd.DataFrame(frame | {"calls": math.nan, "reached_max_scores": False, "exact_tie": False} | columns)


def reported_rows(layouts: list[Layout], measured: str) -> dict[str, list[str]]:
    """Return the reported rows by the cell of the model; none has a value in the column of measured ones."""
    (layout,) = layouts
    column = layout.header.index(measured)
    rows = {
        next(cell for cell in row if "(reported" in cell): row
        for row in layout.rows
        if any("(reported" in c for c in row)
    }
    assert rows and all(row[column] == NO_VALUE for row in rows.values())
    assert not any(NOT_APPLICABLE in row for row in rows.values())
    assert layout.all_notes[0].startswith(f"{NO_VALUE}: not run, or not reported.")
    return rows


def test_table_1_shows_imagen_beside_measured_rows():
    paper = match_reported_models(pd.read_csv(PAPER / "table1.csv"))
    table = build_table1(predictions("clip-vit-l-14", "mnist"), NONE, paper)
    rows = reported_rows(format_table1(table, paper=paper), "Accuracy (%)")
    assert set(rows) == {"imagen (reported)", "stable-diffusion-v1-4 (reported)", "clip-vit-l-14@64 (reported)"}
    assert "79.2" in rows["imagen (reported)"] and rows["imagen (reported)"][0] == "mnist"
    assert set(table["model"]) == {"clip-vit-l-14"}  # the CSV holds measured rows alone
    assert len({len(row) for row in format_table1(table, paper=paper)[0].rows}) == 1


def test_a_run_on_other_data_sets_shows_no_reported_number():
    paper = match_reported_models(pd.read_csv(PAPER / "table1.csv"))
    (layout,) = format_table1(build_table1(predictions("mini-clip", "digits"), NONE, paper), paper=paper)
    assert "Paper (%)" not in layout.header and len(layout.rows) == 1


def test_table_2_shows_vit_22b_as_reported_by_others():
    paper = pd.read_csv(PAPER / "table2.csv")
    cues = {"shape_label": [0, 1], "texture_label": [1, 0], "prediction": [0, 0]}
    table = build_table2(predictions("resnet50", "cue-conflict", **cues), paper)
    rows = reported_rows(format_table2(table, paper), "Shape accuracy (%)")
    assert "vit-22b (reported; reported by others; weights not public)" in rows and "imagen (reported)" in rows
    # The paper's ResNet is top-5, so it is not compared with our top-1 row.
    assert "resnet50-supervised (reported; top-5 accuracy; supervised)" in rows
    assert table.set_index("model")["paper"].isna().all()


def test_other_tables_mark_reported_rows():
    paper = pd.read_csv(PAPER / "table4.csv")
    assert len(reported_rows(format_table4(build_table4({}, {}, paper), paper, []), "Accuracy (%)")) == 2
    ablations = pd.read_csv(PAPER / "ablations.csv")
    empty = pd.DataFrame(columns=["dataset", "models", "weights", "accuracy", "low", "high", "n"])
    assert "imagen-sr-64-256 (reported; super-resolution model alone)" in reported_rows(
        format_combined(empty, ablations, []), "Accuracy (%)"
    )
    empty = pd.DataFrame(columns=["confidence", "model", "dataset", "ece", "n", "n_calibration", "accuracy", "calls"])
    assert "imagen (reported)" in reported_rows(format_calibration(empty, ablations, []), "ECE")


def test_top_5_accuracy_is_in_a_note_with_its_interval():
    both = pd.concat([predictions("resnet50", "imagenet", top5=[True, True]), predictions("clip", "imagenet")])
    assert top5_notes(both) == [
        "resnet50 on imagenet: top-5 accuracy 100.0 [34.2, 100.0] % of 2 images. Its row above, like all others, is top-1."
    ]
    assert top5_notes(predictions("clip", "imagenet")) == []
