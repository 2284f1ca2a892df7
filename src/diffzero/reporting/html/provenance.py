"""Provenance of the numbers: settings, weights, data sets and versions, as tables for the report page."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from diffzero.reporting.html.page import RunFacts
from diffzero.reporting.table_format import Layout
from diffzero.utils.result_files import read_parquet, read_record

# Packages whose version can change a number or a figure.
PACKAGES = (
    "torch", "diffusers", "transformers", "open_clip_torch", "numpy", "scipy", "statsmodels", "pandas", "pyarrow", "pillow",
    "matplotlib", "mitsuba", "scikit-learn", "snakemake",
)  # fmt: skip


def _list_versions() -> list[list[str]]:
    rows = [["Python", platform.python_version()], ["platform", platform.platform()]]
    for name in PACKAGES:
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:  # the environment of this job contains only what the job needs
            rows.append([name, "not in the report's environment"])
    return rows


def _hash_images(path: Path) -> tuple[int, str]:
    """Return the number of images of a data set, and one SHA-256 over the digests of the images in order."""
    digests = read_parquet(path, columns=["digest"])["digest"]
    return len(digests), hashlib.sha256("\n".join(digests).encode()).hexdigest()


def list_provenance(facts: RunFacts, weights: Iterable[Path], images: Iterable[Path]) -> list[Layout]:
    """List settings and commands, models, data sets and versions.

    Parameters
    ----------
    weights
        The records of the models' checkpoints.
    images
        The image tables of the data sets.
    """
    seeds = ", ".join(map(str, facts["seeds"]))
    command, run_dir = facts["command"], facts["run_dir"]
    settings = [
        ["Run", facts["run"]], ["Noise seeds", seeds], ["Subset seed", str(facts["subset_seed"])],
        ["Maximum number of images per data set", str(facts["images"])], ["Policy", facts["policy"]],
        ["Weighting", facts["weighting"]], ["Repeat the whole run", f"`{command}`"],
        ["Tables, figures and this page from existing results", f"`{command} tables figures report`"],
        ["Scores behind all numbers", f"{run_dir}/scores"],
        ["Snakemake's own report of the run", f"`{command} --report snakemake-report.html`"],
    ]  # fmt: skip
    models = []
    for path in weights:
        entry = read_record(path)
        models.append([path.stem, entry["family"], entry["digest"], entry["folder"]])
    data = [[path.parent.name, *map(str, _hash_images(path))] for path in images]
    return [
        Layout("Settings and commands", ["Setting", "Value"], settings),
        Layout("Models", ["Model", "Adapter", "SHA-256 of the checkpoint", "Folder"], models),
        Layout("Data sets", ["Data set", "Images", "SHA-256 over the images"], data),
        Layout("Versions", ["Package", "Version"], _list_versions()),
    ]
