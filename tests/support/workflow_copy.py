"""A copy of the working tree in which tests run Snakemake."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from literal import algorithm_1

ROOT = Path(__file__).parents[2]


CONFIG = {
    "name": "tiny",
    "models": ["mini-sd"],
    "baselines": ["mini-clip"],
    "datasets": ["digits"],
    "max_images": 3,
    "max_images_per_job": 13,  # 25 scenes make two shards
    "device": "cpu",
    "policy": {"max_scores": 24},
    "attribute_binding": {
        "examples_per_task": 2,
        "render_resolution": 32,
        "render_spp": 4,
        "baselines": [],
        "policy": {"max_scores": 20},
    },
}


def snakemake(root: Path, *arguments: str, config: dict | None = None) -> subprocess.CompletedProcess:
    """Run one Snakemake command in `root` with `config`, by default CONFIG."""
    (root / "tiny.yaml").write_text(yaml.safe_dump(CONFIG if config is None else config))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", "tiny.yaml"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # A plan would be compared with the limits of a SLURM that other tests start on this machine.
    environment |= {"OMP_NUM_THREADS": "1", "SLURM_CONF": "/nonexistent"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return a copy of the files that git tracks or would add."""
    root = tmp_path_factory.mktemp("copy")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "paper/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    # All files of the weights, tracked or not.
    shutil.copytree(ROOT / "resources" / "models", root / "resources" / "models", dirs_exist_ok=True)
    return root


def literal_accuracy_and_calls(root: Path, dataset: str, max_scores: int) -> tuple[float, float]:
    """Return accuracy and calls per item, computed from the score shards with a literal Algorithm 1."""
    run_dir = root / "results" / "tiny"
    shards = (run_dir / "scores" / "mini-sd" / dataset).rglob("*.parquet")
    scores = pd.concat([pd.read_parquet(path) for path in shards])
    items = pd.read_parquet(run_dir / "data" / dataset / "items.parquet")
    right, calls = [], []
    for item in items.itertuples():
        mine = scores[(scores["image"] == item.image) & scores["prompt"].isin(item.candidates)]
        mine = mine.assign(weighted=np.exp(-7 * mine["t"]) * mine["score"].astype(float))
        matrix = mine.pivot(index="draw", columns="prompt", values="weighted").reindex(columns=list(item.candidates))
        raced = algorithm_1(matrix.to_numpy(), 20, max_scores, 0.002)
        right.append(item.classes[raced.prediction] == item.label)
        calls.append(raced.calls)
    return float(np.mean(right)), float(np.mean(calls))


def error_message(done: subprocess.CompletedProcess) -> str:
    """Return the only error message of a failed run."""
    output = done.stderr + done.stdout
    assert done.returncode not in (0, None) and "Traceback (most recent call last)" not in output, output[-3000:]
    said = {line for line in output.splitlines() if line.startswith("diffzero: ")}
    messages = {
        line for line in said if not line.startswith("diffzero: not finished. ")
    }  # the last line of every failed run
    assert len(messages) == 1, output[-3000:]
    return messages.pop()
