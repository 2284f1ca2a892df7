"""The registries of tables and figures: all entries can be made in one process, and agree with the files of the repository."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from diffzero.reporting.figures import FIGURES, FigureKey, write_figures
from diffzero.reporting.inputs import ReportInputs
from diffzero.reporting.table_format import TABLE_FORMATS
from diffzero.reporting.tables import TABLES, write_tables
from diffzero.utils.result_files import write_parquet, write_record
from predictions_of import baseline, predictions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def inputs(tmp_path: Path) -> ReportInputs:
    """Return the inputs of a run with two models on one data set."""
    sources = []
    frames = {"mini-sd": predictions("mini-sd", "1101"), "mini-clip": baseline("mini-clip", "1001")}
    for model, frame in frames.items():
        file = tmp_path / f"{model}.parquet"
        own = frame.drop(columns=["model", "dataset", "kind", "seed"])
        write_parquet(
            own.assign(image=own["item"], task="", draws=40, label=[0, 1, 0, 1], prediction=[0, 1, 1, 1]), Path(file)
        )
        kind = "baseline" if model == "mini-clip" else "diffusion"
        sources.append({"model": model, "dataset": "digits", "seed": 0, "kind": kind, "file": str(file)})
    prompts = tmp_path / "prompts.json"
    write_record({"prompts": ["a zero", "a one"], "classnames": ["zero", "one"], "duplicates": []}, prompts)
    return ReportInputs(
        run_dir=tmp_path / "run",
        paper_dir=ROOT / "config" / "paper",
        predictions={"classification": sources},
        requested={"classification": [{k: s[k] for k in ("model", "dataset", "kind")} for s in sources]},
        missing={"full_scores": ["Full scores of mini-sd do not exist yet."]},
        datasets={"digits": {"prompts": str(prompts), "items": "", "images": ""}},
    )


def test_all_tables_are_written_in_every_format(inputs: ReportInputs) -> None:
    write_tables(inputs, TABLES)
    names = {path.name for path in (inputs.run_dir / "tables").iterdir()}
    assert names == {f"{name}.{suffix}" for name in TABLES for suffix in TABLE_FORMATS}
    assert (inputs.run_dir / "replayed" / "reliability.csv").is_file()
    assert pd.read_csv(inputs.run_dir / "tables" / "table1.csv")["n"].tolist() == [4, 4]
    assert "Full scores of mini-sd do not exist yet." in (inputs.run_dir / "tables" / "table4.md").read_text()


def test_figures_are_written_as_svg_and_png(inputs: ReportInputs) -> None:
    write_tables(inputs, ["paired_comparison"])
    write_figures(
        inputs, [FigureKey("confusion", "mini-sd", "digits"), FigureKey("calls"), FigureKey("paired_comparison")]
    )
    stems = ("confusion-mini-sd-digits", "calls", "paired_comparison")
    assert {path.name for path in (inputs.run_dir / "figures").iterdir()} == {
        f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "png", "json")
    }


def test_every_entry_has_a_module_and_a_caption() -> None:
    for table in TABLES.values():
        assert hasattr(import_module(f"diffzero.reporting.tables.{table.module}"), "make_table")
        assert (ROOT / "workflow" / "report" / f"{table.name}.rst").is_file()
    for kind in FIGURES.values():
        assert hasattr(import_module(f"diffzero.reporting.figures.{kind.kind}"), "make_figure")
        assert (ROOT / "workflow" / "report" / f"{kind.caption or kind.kind}.rst").is_file()


def test_every_module_is_registered() -> None:
    helpers = {"__init__", "base", "notes", "style", "race", "missing"}
    for package, registered in (
        ("tables", {table.module for table in TABLES.values()}),
        ("figures", {kind.kind for kind in FIGURES.values()}),
    ):
        modules = {path.stem for path in (ROOT / "src" / "diffzero" / "reporting" / package).glob("*.py")}
        assert modules - helpers == registered


def test_every_table_is_named_after_its_module_or_numbered_as_in_the_paper() -> None:
    for table in TABLES.values():
        number = re.fullmatch(r"(table\d)_(\w+)", table.module)
        names = {number[1], number[2], f"{number[1]}-{number[2]}"} if number else {table.module}
        assert table.name in names


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("tables", {"matplotlib", "torch", "scipy.stats", "statsmodels"}),
        ("figures", {"matplotlib", "torch", "statsmodels"}),
        ("figures.style", {"torch", "statsmodels"}),
        ("tables.table1_accuracy", {"matplotlib", "torch"}),
    ],
)
def test_imports_are_light(module: str, heavy: set[str]) -> None:
    program = f"import sys, diffzero.reporting.{module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert heavy.isdisjoint(loaded.split())
