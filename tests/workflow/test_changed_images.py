"""A run selects its images again if a file of their source has changed; otherwise it has nothing to do."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from diffzero.utils.io import read_json
from workflow_copy import snakemake

CLASSES = ["cat", "dog"]
RUN = {
    "name": "tiny",
    "models": ["mini-sd"],
    "datasets": ["mine"],
    "max_images": 4,
    "device": "cpu",
    "policy": {"kind": "full", "max_scores": 4},
}
TABLE = "results/tiny/tables/table1.csv"
UNCHANGED = "Nothing to be done"


def write_image(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), grey, np.uint8)).save(path, format="BMP")  # of one size, whatever the pixels


@pytest.fixture(scope="module")
def finished(copy: Path) -> Path:
    """Return the root of a finished run on six images, of which it uses four."""
    for number in range(3):
        for shift, name in enumerate(CLASSES):
            write_image(copy / "images" / name / f"{number}.bmp", 40 * (2 * number + shift))
    dataset = {
        "title": "Mine",
        "licence": "none",
        "classnames": CLASSES,
        "prompt_templates": ["a {}."],
        "source": {"kind": "folder", "path": "images"},
    }
    (copy / "config" / "datasets" / "mine.yaml").write_text(yaml.safe_dump(dataset))
    run(copy)
    assert UNCHANGED in planned(copy)
    return copy


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """Yield the root of the finished run. Afterwards its images are as they were."""
    shutil.copytree(finished / "images", tmp_path / "images")
    yield finished
    shutil.rmtree(finished / "images")
    shutil.copytree(tmp_path / "images", finished / "images")


def run(root: Path) -> None:
    done = snakemake(root, TABLE, config=RUN)
    assert done.returncode == 0, done.stderr[-3000:]


def planned(root: Path) -> str:
    """Return what a dry run says."""
    done = snakemake(root, "-n", TABLE, config=RUN)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def used(root: Path) -> list[Path]:
    """Return the files of the images that the run uses."""
    record = read_json(root / "results" / "tiny" / "data" / "mine" / "selection.json")
    return [root / "images" / image["image"] for image in record["images"]]


def computed_scores(root: Path) -> int:
    """Return the number of scores in the store."""
    return sum(len(pd.read_parquet(path)) for path in (root / "results" / "store").rglob("*.parquet"))


def test_touched_and_copied_images_leave_nothing_to_be_done(root):
    for path in (root / "images").rglob("*.bmp"):
        path.touch()
    assert UNCHANGED in planned(root)
    shutil.copytree(root / "images", root / "copied")
    shutil.rmtree(root / "images")
    (root / "copied").rename(root / "images")
    assert UNCHANGED in planned(root)


def test_a_change_that_is_undone_leaves_nothing_to_be_done(root):
    path = used(root)[0]
    path.rename(path.with_name("renamed.bmp"))
    said = planned(root)
    assert UNCHANGED not in said
    for words in (f"{path.parent.name}/renamed.bmp: added", f"{path.parent.name}/{path.name}: removed"):
        assert words in said
    path.with_name("renamed.bmp").rename(path)
    assert UNCHANGED in planned(root)


def test_removed_images_are_reported_and_the_results_are_kept(root):
    (root / "images").rename(root / "away")
    try:
        said = planned(root)
        assert UNCHANGED in said and "mine: found no files in images" in said
    finally:
        (root / "away").rename(root / "images")


def test_a_renamed_class_folder_fails_and_is_named(root):
    (root / "images" / "cat").rename(root / "images" / "lion")
    assert "prepare_dataset" in planned(root)
    done = snakemake(root, TABLE, config=RUN)
    assert done.returncode != 0 and "cat" in done.stderr
    shutil.move(root / "images" / "lion", root / "images" / "cat")
    run(root)


def test_new_pixels_of_one_image_at_its_old_time_are_scored_and_no_others(root):
    table, scores, path = (root / TABLE).read_bytes(), computed_scores(root), used(root)[0]
    stat = path.stat()
    write_image(path, 251)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    said = planned(root)
    words = f"({path.parent.name}/{path.name}: content changed)"
    assert f"1 file differs from those that its images were selected from {words}" in said
    run(root)
    images = pd.read_parquet(root / "results" / "tiny" / "data" / "mine" / "images.parquet")
    now = {path.relative_to(root / "images").as_posix(): path.read_bytes() for path in used(root)}
    assert dict(zip(images["image"], images["bytes"], strict=True)) == now
    assert computed_scores(root) == scores * 5 // 4  # four scores of each prompt of one of four images
    assert (root / TABLE).stat().st_mtime > stat.st_mtime and table
    assert UNCHANGED in planned(root)


def test_after_a_failed_selection_the_same_command_makes_the_new_results(root):
    """Snakemake deletes the outputs of the failed job, and makes no missing file of which only finished jobs were made."""
    more = RUN | {"max_images": 6}
    (root / "images" / "cat").rename(root / "images" / "lion")
    done = snakemake(root, "tables", config=more)
    assert done.returncode != 0 and not (root / "results" / "tiny" / "data" / "mine" / "images.parquet").exists()
    (root / "images" / "lion").rename(root / "images" / "cat")
    done = snakemake(root, "tables", config=more)
    assert done.returncode == 0, done.stderr[-3000:]
    assert pd.read_csv(root / TABLE)["n"].tolist() == [6]
