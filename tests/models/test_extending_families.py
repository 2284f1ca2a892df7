"""The recipe "Add a model family" of docs/extending.md works: followed in a copy of the working tree, it gives a table of a run."""

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import yaml

from workflow_copy import ROOT, copy, snakemake  # noqa: F401

RECIPES = (ROOT / "docs" / "extending.md").read_text()
# Writes the tiny checkpoint, counts the FLOPs of its network and prints the deviations of the adapter from the pipeline.
COMPARE = """
import sys
from pathlib import Path
from deviations import deviations
from diffzero.models.flops import count_gflops
from families import write_checkpoint
folder = write_checkpoint("PixArt-Alpha", Path(sys.argv[1]))
assert count_gflops(folder, 64) > 0
print(deviations("PixArt-Alpha", folder))
"""


def code_blocks(heading: str, language: str) -> list[str]:
    """Return the code of a section of docs/extending.md."""
    section = RECIPES.split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", section, flags=re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


def test_a_family_added_as_documented_gives_a_table(copy: Path):  # noqa: F811
    adapter, builder = code_blocks("Add a model family", "python")
    (copy / "src/diffzero/models/families/pixart_alpha.py").write_text(adapter)
    shutil.copytree(ROOT / "tests" / "support", copy / "tests" / "support")
    helpers = copy / "tests" / "support" / "families.py"
    imports = "from diffusers import PixArtAlphaPipeline\n"
    helpers.write_text(helpers.read_text() + f"\n\n{imports}\n\n{builder}")

    weights = copy / "resources" / "models" / "my-model"
    path = {"PYTHONPATH": f"{copy / 'src'}:{copy / 'tests/support'}"}
    compared = subprocess.run(
        [sys.executable, "-c", COMPARE, weights], env=path, cwd=copy, capture_output=True, text=True, check=False
    )
    assert compared.returncode == 0, compared.stderr[-3000:]
    found = ast.literal_eval(compared.stdout.splitlines()[-1])
    assert found.keys() == {"text", "latents", "x0"} and max(found.values()) < 2e-5

    (settings,) = code_blocks("Add a model", "yaml")
    assert yaml.safe_load(settings)["path"] == "resources/models/my-model"
    (copy / "config" / "models" / "mine.yaml").write_text(settings)
    config = {"name": "tiny", "models": ["mine"], "datasets": ["digits"], "max_images": 2, "device": "cpu"}
    config["policy"] = {"kind": "full", "max_scores": 2}
    table1 = Path("results/tiny/tables/table1.csv")
    done = snakemake(copy, str(table1), config=config)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    table = pd.read_csv(copy / table1)
    assert table["model"].tolist() == ["mine"] and table["n"].tolist() == [2]
    assert table["calls_per_image"].tolist() == [20]
