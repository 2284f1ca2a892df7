"""Where the numbers come from: settings, weights, data and versions, as grids for the report page."""

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from diffzero.reporting.table_format import Layout
from diffzero.utils.io import read_json

# What can change a number or a picture.
PACKAGES = (
    "torch", "diffusers", "transformers", "open_clip_torch", "numpy", "scipy", "statsmodels", "pandas", "pyarrow", "pillow",
    "matplotlib", "mitsuba", "scikit-learn", "snakemake",
)  # fmt: skip


def _versions() -> list[list[str]]:
    rows = [["Python", platform.python_version()], ["platform", platform.platform()]]
    for name in PACKAGES:
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:  # a job's own environment holds what the job needs
            rows.append([name, "not in the report's environment"])
    return rows


def _data_digest(path: Path) -> tuple[int, str]:
    """Images of a data set, and one SHA-256 over their own digests in order."""
    digests = pd.read_parquet(path, columns=["digest"])["digest"]
    return len(digests), hashlib.sha256("\n".join(digests).encode()).hexdigest()


def provenance(facts: Mapping[str, object], weights: Iterable[Path], images: Iterable[Path]) -> list[Layout]:
    """Settings and commands, models, data sets, versions. `facts`: what Publication.facts says; files as the workflow wrote them."""
    seeds = ", ".join(map(str, facts["seeds"]))
    command, folder = facts["command"], facts["folder"]
    settings = [
        ["Run", str(facts["run"])], ["Seeds of the draws", seeds], ["Seed of the selection", str(facts["subset_seed"])],
        ["Images a data set, at most", str(facts["images"])], ["Policy", str(facts["policy"])], ["Weighting", str(facts["weighting"])],
        ["Everything anew", f"`{command}`"], ["Tables, figures, this page, of what is there", f"`{command} tables figures report`"],
        ["Scores behind every number", f"{folder}/scores"],
        ["Snakemake's own report of the run", f"`{command} --report snakemake-report.html`"],
    ]  # fmt: skip
    models = []
    for path in weights:
        entry = read_json(path)
        models.append([path.stem, entry["family"], entry["digest"], entry["folder"]])
    data = [[path.parent.name, *map(str, _data_digest(path))] for path in images]
    return [
        Layout("Settings and commands", ["What", "Value"], settings),
        Layout("Models", ["Model", "Adapter", "SHA-256 of the checkpoint", "Folder"], models),
        Layout("Data sets", ["Data set", "Images", "SHA-256 over the images"], data),
        Layout("Versions", ["Package", "Version"], _versions()),
    ]
