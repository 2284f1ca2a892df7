"""A run refuses damaged files and files that were made from others, whatever their time stamps say."""

import os
import re
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from diffzero.utils.result_files import read_parquet, write_parquet
from workflow_copy import copy, error_message, snakemake

__all__ = ["copy"]
CONFIG = {"name": "stale", "models": ["mini-sd"], "datasets": ["digits"], "max_images": 2, "device": "cpu"}
CONFIG |= {"policy": {"kind": "full", "max_scores": 2}}
RUN = Path("results/stale")
SCORES = "scores/mini-sd/digits/seed0/shared-full-2/1-of-1.parquet"
PREDICTIONS = "predictions/mini-sd/digits/seed0/shared-full-2/heuristic-7.parquet"
LATENTS = "inputs/mini-sd/digits/x.npy"


@pytest.fixture(scope="module")
def scored(copy) -> Path:
    done = snakemake(copy, str(RUN / PREDICTIONS), config=CONFIG)
    assert done.returncode == 0, done.stderr[-3000:]
    return copy


def keep_time(path: Path, change) -> bytes:
    """Change a file and keep its time stamp; return its old content."""
    stat, old = path.stat(), path.read_bytes()
    change(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return old


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_in_latents_is_refused_before_a_score_is_stored(scored):
    (scored / RUN / SCORES).unlink()
    chunks = sorted((scored / "results" / "store").rglob("*.parquet"))
    old = keep_time(scored / RUN / LATENTS, flip)
    message = error_message(snakemake(scored, str(RUN / SCORES), config=CONFIG))
    assert message.startswith(f"diffzero: DamagedFileError: {RUN / LATENTS}: ")
    assert f"Type `rm {RUN / LATENTS}` and re-run the same command" in message
    assert sorted((scored / "results" / "store").rglob("*.parquet")) == chunks
    keep_time(scored / RUN / LATENTS, lambda path: path.write_bytes(old))


def test_a_finished_run_on_other_images_is_an_error_although_nothing_is_to_be_done(scored):
    images = scored / RUN / "data" / "digits" / "images.parquet"
    assert snakemake(scored, str(RUN / PREDICTIONS), config=CONFIG).returncode == 0
    # As if a backup were restored.
    old = keep_time(images, lambda path: write_parquet(read_parquet(path).iloc[::-1], path))
    message = error_message(snakemake(scored, str(RUN / PREDICTIONS), config=CONFIG))
    assert message.startswith("diffzero: StaleFileError: ") and f"made from {RUN}/data/digits/images.parquet" in message
    assert "Type `rm " in message
    keep_time(images, lambda path: path.write_bytes(old))


def test_a_table_from_a_backup_is_an_error_although_nothing_is_to_be_done(scored):
    table = scored / RUN / "tables" / "table1.csv"
    done = snakemake(scored, "tables", config=CONFIG)
    assert done.returncode == 0, done.stderr[-3000:]
    old = keep_time(table, lambda path: path.write_text(path.read_text().replace("mini-sd", "mini-if")))
    message = error_message(snakemake(scored, "tables", config=CONFIG))
    assert message.startswith(f"diffzero: DamagedFileError: {RUN}/tables/table1.csv: ")
    assert f"Type `rm {RUN}/tables/table1.csv {RUN}/tables/table1.json`" in message
    for name in ("table1.csv", "table1.json"):
        (table.parent / name).unlink()
    assert snakemake(scored, "tables", config=CONFIG).returncode == 0
    assert table.read_bytes() == old


def type_command(root: Path, message: str) -> None:
    """Type the command that an error message names."""
    command = re.search(r"ype `((?:rm|find) [^`]+)`", message)
    assert command, message
    subprocess.run(command[1], shell=True, cwd=root, check=True)


def test_with_a_clock_that_was_set_back_a_new_selection_gives_right_numbers_or_an_error(scored):
    """The images of another selection are older than the crops, scores and tables of the first one."""
    changed, data_dir = CONFIG | {"subset_seed": 7, "max_images": 3}, scored / RUN / "data" / "digits"
    assert snakemake(scored, "tables", config=CONFIG).returncode == 0
    now = time.time()
    for path in (path for path in (scored / RUN).rglob("*") if path.is_file()):
        os.utime(path, (now + 86400, now + 86400))
    message = error_message(snakemake(scored, "tables", config=changed))
    assert "expected none later than this machine's clock" in message
    type_command(scored, message)
    assert snakemake(scored, str(RUN / "data/digits/images.parquet"), config=changed).returncode == 0
    for path in data_dir.iterdir():
        os.utime(path, (now - 86400, now - 86400))
    errors = 0
    while (done := snakemake(scored, "tables", config=changed)).returncode != 0 and errors < 8:
        errors += 1
        type_command(scored, error_message(done))
    assert done.returncode == 0 and errors > 0, done.stderr[-3000:]
    assert snakemake(scored, "tables", config=changed | {"name": "fresh"}).returncode == 0
    found, expected = (pd.read_csv(scored / "results" / name / "tables" / "table1.csv") for name in ("stale", "fresh"))
    pd.testing.assert_frame_equal(found, expected)
