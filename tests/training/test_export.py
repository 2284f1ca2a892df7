"""Shipping the mini models: what is copied, and cards that say what the tables say."""

from pathlib import Path

import pandas as pd
import pytest

from diffzero.training import export


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with finished training runs of every stage."""
    monkeypatch.chdir(tmp_path)
    for name in export.TRAINING_STAGES:
        folder = tmp_path / "trained" / name
        (folder / "unet").mkdir(parents=True)
        curve = [f'{{"step": {step}, "loss": {1 / step}, "seconds": {step / 2}}}\n' for step in range(500, 10_500, 500)]
        (folder / "training.jsonl").write_text("".join(curve))
        (folder / "state-0-32-100.safetensors").write_bytes(b"state")
        (folder / "unet" / "weights.safetensors").write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def tables(here: Path) -> Path:
    """Table 1 and 3 of one model, one number below what is wanted."""
    table1 = [("mini-sd", "digits", 0.95, 100), ("mini-sd", "fashion", 0.69, 100), ("mini-sd@x", "fashion", 0.1, 100)]
    pd.DataFrame(table1, columns=["model", "dataset", "accuracy", "n"]).to_csv(here / "table1.csv")
    table3 = [
        ("mini-sd", task, split, accuracy, n)
        for task, accuracy in (("Shape", 0.85), ("Color", 0.9), ("Shape|Color", 0.5))
        for split, n in (("all", 40), ("seen", 20), ("held-out", 20))
    ]
    pd.DataFrame(table3, columns=["model", "task", "split", "accuracy", "n"]).to_csv(here / "table3.csv")
    return here


def test_weights_and_curves_are_copied_and_training_states_are_not(here):
    export.main(["weights", "trained"])
    shipped = sorted(str(path.relative_to(export.MODELS)) for path in export.MODELS.rglob("*") if path.is_file())
    trained = [f"{name}{stage}" for name in ("mini-clip", "mini-if", "mini-sd") for stage in ("-broad", "")]
    curves = [f"training/{name}.jsonl" for name in (*trained, "vae")]
    assert shipped == [*(f"{name}/unet/weights.safetensors" for name in ("mini-clip", "mini-if", "mini-sd")), *curves]
    assert (export.MODELS / "mini-if" / "unet" / "weights.safetensors").read_bytes() == b"mini-if"


def test_an_unfinished_training_is_named_and_nothing_is_shipped_of_it(here):
    (here / "trained" / "mini-if" / "training.jsonl").unlink()
    with pytest.raises(SystemExit, match="mini-if/training.jsonl: no such file.*snakemake --cores all train_mini"):
        export.main(["weights", "trained"])
    assert not (export.MODELS / "mini-if").exists()


def test_a_card_says_what_the_tables_say_and_what_was_missed(tables):
    export.main(["weights", "trained"])
    card = export.model_card("mini-sd", tables)
    assert "| digits | 95.0 % [88.8, 97.8], n = 100 | 85 % |" in card
    assert "| scenes, Shape recognition, seen combinations | 85.0 % [64.0, 94.8], n = 20 | 80 % |" in card
    assert "| scenes, all twenty tasks | 75.0 % [66.6, 81.9], n = 120 |  |" in card
    assert "**Below target**: fashion." in card
    stages = [line for line in card.splitlines() if line.startswith("| 10,000 | 32 |")]
    assert len(stages) == 2 and all("| 5,000 |" in line and "10000: 0.0001" in line for line in stages)
    assert "45 % scenes" in stages[0] and "70 % scenes" in stages[1]


def test_a_wrong_command_says_what_there_is(capsys):
    with pytest.raises(SystemExit, match="expected `weights FOLDER` or `cards TABLES`"):
        export.main(["cards"])
