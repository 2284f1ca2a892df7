"""`--sdm conda`: a rule's environment is created from its file and its script runs in it.

A solver parses the shipped files. Solving them needs conda-forge, which the tests do not reach.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rattler
import yaml

from conda import write_channel, write_conda_program

ROOT = Path(__file__).parents[2]
# A program `python` that records its arguments and runs the tests' Python.
PYTHON = '#!/bin/sh\necho "$*" >> "$CONDA_PREFIX/ran"\nexec {python} "$@"\n'


def dependencies(path: Path) -> list:
    return yaml.safe_load(path.read_text())["dependencies"]


def test_a_rules_script_runs_in_the_environment_that_its_file_describes(tmp_path):
    for name in ("rules", "workflow", "src", "config", "envs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", tmp_path)
    channel = write_channel(tmp_path / "channel", "python", "3.11.9", {"python": PYTHON.format(python=sys.executable)})
    # The rule's own pin of Python; wheels and pip need an index.
    wanted = [spec for spec in dependencies(ROOT / "envs" / "analysis.yaml") if str(spec).startswith("python=")]
    environment = {"channels": [channel, "nodefaults"], "dependencies": wanted}
    (tmp_path / "envs" / "analysis.yaml").write_text(yaml.safe_dump(environment))
    path = f"{write_conda_program(tmp_path / 'conda')}{os.pathsep}{os.environ['PATH']}"
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--sdm",
        "conda",
        "--configfile=config/demo.yaml",
        "--",
        "plan",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Activating conda environment" in done.stderr and (tmp_path / "results" / "demo" / "plan.md").is_file()
    assert "To extend the run" not in done.stdout + done.stderr, "a plan makes no tables"
    (ran,) = (tmp_path / ".snakemake" / "conda").glob("*/ran")
    assert "plan.py" in ran.read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_solver_reads_every_line_of_an_environment_as_name_and_version(path):
    for spec in (entry for entry in dependencies(path) if isinstance(entry, str)):
        read = rattler.MatchSpec(spec, strict=True)
        # In another notation, a line may be read as name, version and build.
        assert read.version is not None and read.build is None and " " not in spec
    assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge", "nodefaults"]
