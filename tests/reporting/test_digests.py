"""Tables, figures and the report page name the digests of their files and of the results that they were made from."""

import random
import shutil
from pathlib import Path

import pandas as pd
import pytest

from diffzero.reporting.digests import read_intact, result_sources, write_digests
from diffzero.reporting.table_format import Layout, write_table
from diffzero.utils.freshness import require_fresh
from diffzero.utils.provenance import DamagedFileError, ResultFileError, StaleFileError
from diffzero.utils.result_files import digest_of, read_provenance, write_parquet

SUFFIXES = ("csv", "md", "tex", "json")


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "predictions" / "mini-sd" / "digits" / "seed0" / "shared" / "heuristic-7.parquet"
    write_parquet(pd.DataFrame({"correct": [True]}), path)
    return path


def write(predictions: Path, value: float = 0.5) -> list[Path]:
    """Write a table in all formats and return its files; the record comes last."""
    paths = [predictions.parents[5] / "tables" / f"table1.{suffix}" for suffix in SUFFIXES]
    layout = Layout("Table 1", ["Accuracy"], [[str(value)]])
    sources = result_sources([predictions, "config/paper/table1.csv"])
    write_table(pd.DataFrame({"accuracy": [value]}), [layout], paths, sources)
    return paths


def test_a_table_names_what_it_was_made_from_and_its_other_files(predictions):
    *plain, record = write(predictions)
    made_from = read_provenance(record).made_from
    assert list(made_from.values()) == [digest_of(predictions)]
    assert set(read_intact(record)["files"]) == {path.name for path in plain}
    require_fresh([record])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bits_in_any_file_of_a_table_are_found(predictions, suffix):
    paths = write(predictions)
    path = paths[SUFFIXES.index(suffix)]
    data, rng = path.read_bytes(), random.Random(0)
    for bit in rng.sample(range(8 * len(data)), min(100, 8 * len(data))):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(DamagedFileError) as error:
            read_intact(paths[-1])
        assert str(path) in str(error.value) and "Type `rm " in str(error.value)


@pytest.mark.parametrize("restored", ["csv", "json", "all"])
def test_a_table_from_a_backup_is_found(predictions, tmp_path, restored):
    paths = write(predictions, 0.5)
    shutil.copytree(paths[0].parent, tmp_path / "backup")
    write_parquet(pd.DataFrame({"correct": [False]}), predictions)
    write(predictions, 0.0)
    for path in paths if restored == "all" else [paths[SUFFIXES.index(restored)]]:
        shutil.copy(tmp_path / "backup" / path.name, path)
    with pytest.raises(ResultFileError, match="Type `rm ") as error:
        read_intact(paths[-1])
        require_fresh([paths[-1]])
    assert isinstance(error.value, StaleFileError if restored == "all" else DamagedFileError)


def test_a_figure_of_a_table_is_stale_when_its_table_is(predictions):
    *plain, record = write(predictions)
    figure = record.parents[1] / "figures" / "binding.json"
    write_digests(figure, [], result_sources([plain[0]]))
    assert list(read_provenance(figure).made_from) == ["../tables/table1.json"]
    write_parquet(pd.DataFrame({"correct": [False]}), predictions)
    with pytest.raises(StaleFileError) as error:
        require_fresh([figure])
    assert str(record) in str(error.value) and str(figure) in str(error.value)


def test_tables_without_digests_are_refused(predictions):
    *_, record = write(predictions)
    record.write_text("[]\n")  # as in earlier versions
    with pytest.raises(DamagedFileError, match="an earlier version of diffzero wrote it"):
        read_intact(record)
