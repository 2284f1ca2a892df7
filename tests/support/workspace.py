"""Configurations to load in tests: the demo's with changes, and a root folder with one model and one data set."""

import copy
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATASET = """title: Two
source: {kind: digits}
licence: none
prompt_templates: ["a {}."]
classnames: [cat, dog]
"""
MODEL = "kind: diffusion\ntitle: M\nlicence: MIT\nresolution: 8\ndtype: float32\n"


def demo(**changes: object) -> dict[str, object]:
    """Return the demo's configuration as Snakemake passes it on, with some keys replaced."""
    return copy.deepcopy(yaml.safe_load((ROOT / "config/demo.yaml").read_text())) | changes


def workspace(root: Path, model: str = "", dataset: str = "") -> Path:
    """Write one model `m` and one data set `d` with these contents below `root` and return it."""
    for kind, name, text in (("models", "m", model), ("datasets", "d", dataset)):
        (root / "config" / kind).mkdir(parents=True)
        (root / "config" / kind / f"{name}.yaml").write_text(text)
    return root
