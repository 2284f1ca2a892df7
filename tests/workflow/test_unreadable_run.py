"""A run that leaves out unreadable images: its log, its record and Table 1 say so; names that are not UTF-8 go through all jobs."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from diffzero.utils.io import read_json
from workflow_copy import copy, snakemake  # noqa: F401

RUN = {
    "name": "tiny",
    "models": ["mini-sd"],
    "datasets": ["mine"],
    "max_images": 100,
    "device": "cpu",
    "policy": {"kind": "full", "max_scores": 4},
}
TABLE = "results/tiny/tables/table1.csv"


def test_unreadable_images_are_counted_below_table_1(copy: Path):  # noqa: F811
    for shift, name in enumerate(["cat", "dog"]):
        (copy / "images" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((32, 32), 40 * (2 * number + shift), np.uint8)
            Image.fromarray(pixels).save(copy / "images" / name / os.fsdecode(b"%d-\xe9" % number), format="PNG")
    (copy / "images" / "dog" / os.fsdecode(b"\xff.jpg")).write_bytes(b"broken")
    (copy / "images" / "cat" / "fetched.jpg").symlink_to("../.git/annex/objects/1")
    settings = {
        "title": "Mine",
        "licence": "none",
        "classnames": ["cat", "dog"],
        "prompt_templates": ["a {}."],
        "source": {"kind": "folder", "path": "images"},
    }
    (copy / "config" / "datasets" / "mine.yaml").write_text(yaml.safe_dump(settings))
    refused = snakemake(copy, TABLE, config=RUN)
    assert refused.returncode != 0 and "found 2 images that cannot be decoded in images:" in refused.stderr
    assert "image dog/\\xff.jpg (class 'dog')" in refused.stderr and "image cat/fetched.jpg" in refused.stderr
    assert not (copy / "results" / "tiny" / "crops").exists()

    (copy / "config" / "datasets" / "mine.yaml").write_text(yaml.safe_dump({**settings, "unreadable": "skip"}))
    done = snakemake(copy, TABLE, config=RUN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert pd.read_csv(copy / TABLE)["n"].tolist() == [4]
    table = (copy / TABLE).with_suffix(".md").read_text()
    assert "mine: 2 images could not be decoded and were left out" in table
    record = read_json(copy / "results" / "tiny" / "data" / "mine" / "selection.json")
    assert [(c["found"], c["unreadable"], c["used"]) for c in record["classes"]] == [(3, 1, 2), (3, 1, 2)]
    assert sorted(entry["image"] for entry in record["images"]) == [
        f"{n}/{k}-\\xe9" for n in ("cat", "dog") for k in (0, 1)
    ]
    log = (copy / "results" / "tiny" / "logs" / "data" / "mine.log").read_text(encoding="utf-8")
    assert "class 'cat': found 3 images (1 unreadable), used 2" in log and "image dog/\\xff.jpg" in log
    again = snakemake(copy, "-n", TABLE, config=RUN)
    assert "Nothing to be done" in again.stdout + again.stderr
