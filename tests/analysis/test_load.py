"""Predictions files of this version and of an earlier one."""

from pathlib import Path

import pandas as pd
import pytest

from diffzero.analysis.load import PREDICTION_COLUMNS, PredictionSource, load_predictions
from diffzero.utils.provenance import ResultFileError
from diffzero.utils.result_files import write_parquet
from predictions_of import predictions

OLD_NAMES = {"reached_max_scores": "undecided", "exact_tie": "tied"}


def write(path: Path, renamed: dict[str, str]) -> PredictionSource:
    """Write a predictions file with renamed columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = predictions("mini-sd", "1101").drop(columns=["model", "dataset", "kind", "seed"])
    table = table.assign(task="", image="", label=0, prediction=0, draws=40)
    write_parquet(table.rename(columns=renamed), path)
    return PredictionSource(model="mini-sd", dataset="digits", seed=0, kind="diffusion", file=str(path))


def test_predictions_have_the_documented_columns_and_their_source(tmp_path: Path) -> None:
    found = load_predictions([write(tmp_path / "a.parquet", {}), write(tmp_path / "b.parquet", {})])
    assert set(found) == {*PREDICTION_COLUMNS, "model", "dataset", "seed", "kind"} - {"held_out"}
    assert len(found) == 8 and found["model"].eq("mini-sd").all()


@pytest.mark.parametrize("name", [*OLD_NAMES, "calls", "item"])
def test_a_file_of_an_earlier_version_is_refused_with_the_command_that_mends_it(tmp_path: Path, name: str) -> None:
    predictions_dir = tmp_path / "my run" / "predictions"
    file = predictions_dir / "mini-sd" / "digits" / "seed0" / "race" / "simple.parquet"
    source = write(file, {name: OLD_NAMES.get(name, "other")})
    with pytest.raises(ValueError, match=f"expected also {name}\\.") as error:
        load_predictions([write(tmp_path / "new.parquet", {}), source])
    message = str(error.value)
    assert message.startswith(f"{file}: found the columns ") and OLD_NAMES.get(name, "other") in message
    assert f"`rm -r '{predictions_dir}'`" in message


def test_a_file_without_digests_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    source = write(tmp_path / "old.parquet", {})
    pd.read_parquet(source["file"]).to_parquet(source["file"])
    with pytest.raises(ResultFileError, match=f"^{source['file']}: .*earlier version.* Type `rm {source['file']}`"):
        load_predictions([source])
