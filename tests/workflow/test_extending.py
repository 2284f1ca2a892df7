"""The recipes of docs/extending.md, followed exactly in a copy of the working tree, lead to tables of a run."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd

from workflow_copy import ROOT, copy, snakemake  # noqa: F401

RECIPES = (ROOT / "docs" / "extending.md").read_text()
NAMES = {"name": "tiny", "models": ["mini-sd"], "datasets": ["digits"], "max_images": 4, "device": "cpu"}
KINDS = {
    "weighting": {"kind": "min_snr", "gamma": 3.0},
    "policy": {"kind": "halving", "rung": 2, "max_scores": 6},
}


def recipe(heading: str) -> str:
    """Return the section of docs/extending.md with this heading."""
    return RECIPES.split(f"## {heading}\n")[1].split("\n## ")[0]


def follow(root: Path, heading: str) -> None:
    """Carry out steps 1 and 2 of a recipe that adds a class and lists it in the registry of the same file."""
    section = recipe(heading)
    path = root / re.findall(r"`(src/[\w/]+\.py)`", section)[0]
    code = textwrap.dedent(re.findall(r"^ *```python\n(.*?)^ *```", section, flags=re.DOTALL | re.MULTILINE)[0])
    old, new = re.findall(r"`([\w |]+)` becomes\s+`([\w |]+)`", section)[0]
    before, mark, after = path.read_text().partition("# The registry: ")
    assert after.count(old) == 1
    path.write_text(f"{before}{code}\n\n{mark}{after.replace(old, new)}")


def test_a_weighting_and_a_policy_are_added_as_documented_and_appear_in_tables_and_replays(copy: Path):  # noqa: F811
    for heading in ("Add a weighting", "Add a policy"):
        follow(copy, heading)
    command = [sys.executable, "-m", "diffzero.config"]
    subprocess.run(command, cwd=copy, env={"PYTHONPATH": str(copy / "src")}, check=True, capture_output=True)
    page = (copy / "docs" / "configuration.md").read_text()
    assert "| `gamma` | number > 0 | `5.0` |" in page and "| `rung` | integer >= 1 | `10` |" in page

    full_scoring = [{"model": "mini-sd", "dataset": "digits", "n_images": 4, "draws": 8}]
    config = NAMES | KINDS | {"full_scoring": full_scoring}
    results = Path("results/tiny")
    frontier = results / "figures" / "frontier-mini-sd-digits.csv"
    targets = [results / "tables" / "table1.csv", results / "tables" / "table4.csv", frontier]
    done = snakemake(copy, *map(str, targets), config=config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    table4 = pd.read_csv(copy / results / "tables" / "table4.csv")
    assert list(table4["weighting"]) == ["vdm", "simple", "heuristic", "learned", "min_snr"]
    replayed = pd.read_csv(copy / frontier)
    assert "min_snr" in set(replayed["weighting"]) and "halving" in set(replayed["family"])
    race = "shared-halving-2-6-min_snr-3"
    assert (copy / results / "predictions/mini-sd/digits/seed0" / race / "min_snr-3.parquet").is_file()
    assert pd.read_csv(copy / results / "tables" / "table1.csv")["n"].tolist() == [4]
