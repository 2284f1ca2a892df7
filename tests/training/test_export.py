"""Export of the mini models: which files are copied, and cards that agree with the tables."""

import re
from pathlib import Path

import pandas as pd
import pytest

from diffzero.training import export

SHIPPED = Path(__file__).parents[2] / "resources" / "models"


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with a folder `trained` that holds a finished training of every stage."""
    monkeypatch.chdir(tmp_path)
    for name in export.TRAINING_STAGES:
        stage_dir = tmp_path / "trained" / name
        (stage_dir / "unet").mkdir(parents=True)
        curve = [f'{{"step": {step}, "loss": {1 / step}, "seconds": {step / 2}}}\n' for step in range(500, 10_500, 500)]
        (stage_dir / "training.jsonl").write_text("".join(curve))
        (stage_dir / "state-0-32-100.safetensors").write_bytes(b"state")
        (stage_dir / "unet" / "weights.safetensors").write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def tables(work_dir: Path) -> Path:
    """Return a folder with Tables 1 and 3 of one model, whose accuracy on fashion is below the target."""
    table1 = [("mini-sd", "digits", 0.95, 100), ("mini-sd", "fashion", 0.69, 100), ("mini-sd@x", "fashion", 0.1, 100)]
    pd.DataFrame(table1, columns=["model", "dataset", "accuracy", "n"]).to_csv(work_dir / "table1.csv")
    table3 = [
        ("mini-sd", task, split, accuracy, n)
        for task, accuracy in (("Shape", 0.85), ("Color", 0.9), ("Shape|Color", 0.5))
        for split, n in (("all", 40), ("seen", 20), ("held-out", 20))
    ]
    pd.DataFrame(table3, columns=["model", "task", "split", "accuracy", "n"]).to_csv(work_dir / "table3.csv")
    return work_dir


def test_weights_and_curves_are_copied_and_training_states_are_not(work_dir):
    export.main(["weights", "trained"])
    copied = sorted(str(path.relative_to(export.MODELS)) for path in export.MODELS.rglob("*") if path.is_file())
    trained = [f"{name}{stage}" for name in ("mini-clip", "mini-if", "mini-sd") for stage in ("-broad", "")]
    curves = [f"training/{name}.jsonl" for name in (*trained, "vae")]
    assert copied == [*(f"{name}/unet/weights.safetensors" for name in ("mini-clip", "mini-if", "mini-sd")), *curves]
    assert (export.MODELS / "mini-if" / "unet" / "weights.safetensors").read_bytes() == b"mini-if"


def test_an_unfinished_training_is_reported_and_its_weights_are_not_copied(work_dir):
    (work_dir / "trained" / "mini-if" / "training.jsonl").unlink()
    with pytest.raises(SystemExit, match="mini-if/training.jsonl: no such file.*snakemake --cores all train_mini"):
        export.main(["weights", "trained"])
    assert not (export.MODELS / "mini-if").exists()


def test_a_card_agrees_with_the_tables_and_lists_missed_targets(tables):
    export.main(["weights", "trained"])
    card = export.model_card("mini-sd", tables)
    assert "| digits | 95.0 % [88.8, 97.8], n = 100 | 85 % |" in card
    assert "| scenes, Shape recognition, seen combinations | 85.0 % [64.0, 94.8], n = 20 | 80 % |" in card
    assert "| scenes, all twenty tasks | 75.0 % [66.6, 81.9], n = 120 |  |" in card
    assert "**Below target**: fashion." in card
    stages = [line for line in card.splitlines() if line.startswith("| 10,000 | 32 |")]
    assert len(stages) == 2 and all("| 5,000 |" in line and "10000: 0.0001" in line for line in stages)
    assert "45 % scenes" in stages[0] and "70 % scenes" in stages[1]


@pytest.mark.parametrize("name", export.DESCRIPTIONS)
def test_the_shipped_card_is_the_generated_one_for_its_measured_accuracies(name, monkeypatch):
    card = (SHIPPED / name / "README.md").read_text()
    rows = re.findall(r"^\| (.+) \| ([\d.]+) % \[.*\], n = (\d+) \| (?:(\d+) %)? \|$", card, flags=re.MULTILINE)
    measured = {
        task: export.Accuracy(round(float(percent) * int(n) / 100), int(n), int(target) / 100 if target else None)
        for task, percent, n, target in rows
    }
    monkeypatch.setattr(export, "MODELS", SHIPPED)
    monkeypatch.setattr(export, "read_accuracies", lambda name, tables: measured)
    assert export.model_card(name, Path("tables")) == card and len(measured) == 7


def test_an_unknown_command_is_refused_with_the_known_ones():
    with pytest.raises(SystemExit, match="expected `weights FOLDER` or `cards TABLES`"):
        export.main(["cards"])
