"""The recipes for source kinds and archive formats in docs/extending.md, followed in a copy of the working tree, lead to a table."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.datasets import load_digits

from data_server import DataServer
from diffzero.utils.result_files import read_record
from workflow_copy import ROOT, copy, snakemake  # noqa: F401

RECIPES = (ROOT / "docs" / "extending.md").read_text()
RUN = {
    "name": "tiny",
    "models": ["mini-sd"],
    "max_images": 4,
    "device": "cpu",
    "policy": {"kind": "full", "max_scores": 4},
}
LABELS = [0, 1, 2, 3]
DATASET = {
    "title": "A few digits",
    "licence": "BSD-3-Clause",
    "classnames": ["zero", "one", "two", "three"],
    "prompt_templates": ['a photo of the number: "{}".'],
}


def recipe_code(heading: str) -> str:
    """Return the code of a recipe."""
    section = RECIPES.split(f"## {heading}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^ *```python\n(.*?)^ *```", section, flags=re.DOTALL | re.MULTILINE)
    return textwrap.dedent(code)


def write_dataset(root: Path, name: str, source: dict) -> None:
    (root / "config" / "datasets" / f"{name}.yaml").write_text(yaml.safe_dump({**DATASET, "source": source}))


def test_a_source_kind_and_an_archive_format_are_added_as_documented_and_lead_to_a_table(
    copy: Path,  # noqa: F811
    monkeypatch,
):
    sources = copy / "src" / "diffzero" / "data" / "sources"
    (sources / "npz.py").write_text(recipe_code("Add a source kind"))
    with (sources / "formats.py").open("a") as file:
        file.write("\n\n" + recipe_code("Add an archive format"))
    command = [sys.executable, "-m", "diffzero.config"]
    (copy / "docs").mkdir(exist_ok=True)
    subprocess.run(command, cwd=copy, env={"PYTHONPATH": str(copy / "src")}, check=True, capture_output=True)
    page = (copy / "docs" / "configuration.md").read_text()
    assert "### Npz" in page and "[Npz](#npz)" in page and "`pets` or `folders` or `csv`" in page

    pixels = (load_digits().images[LABELS] * 15).astype(np.uint8)  # the first rows are the digits 0, 1, 2, 3
    np.savez(copy / "resources" / "digits.npz", images=pixels, labels=LABELS)
    rows = [",".join(map(str, [label, *image.ravel()])) for label, image in zip(LABELS, pixels, strict=True)]
    write_dataset(copy, "arrays", {"kind": "npz", "path": "resources/digits.npz"})
    monkeypatch.setenv("DIFFZERO_CACHE", str(copy / "cache"))
    with DataServer() as server:
        server.plain["digits.csv"] = "\n".join(["label,pixels", *rows]).encode()
        write_dataset(
            copy, "rows", {"kind": "archive", "format": "csv", "files": [{"url": f"{server.url}/digits.csv"}]}
        )
        config = RUN | {"datasets": ["arrays", "rows"]}
        checked = snakemake(copy, "check", config=config)
        done = snakemake(copy, "results/tiny/tables/table1.csv", config=config)
    assert checked.returncode == 0 and "resources/digits.npz" in checked.stdout + checked.stderr
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    table = pd.read_csv(copy / "results" / "tiny" / "tables" / "table1.csv")
    assert sorted(table["dataset"]) == ["arrays", "rows"] and table["n"].tolist() == [4, 4]
    records = [read_record(copy / f"results/tiny/data/{name}/selection.json") for name in ("arrays", "rows")]
    assert records[0]["sha256"] == records[1]["sha256"]  # both kinds give the same images in the same order
