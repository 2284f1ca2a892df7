"""Every command of README.md and docs/*.md is run or dry-run as typed in a fresh clone."""

import contextlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from documented_commands import ROOT, all_commands, commands_of, is_command, words_after

# Commands that are not run here, each with the reason. Those of Snakemake are parsed all the same.
NOT_RUN = {
    "apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge slurmdbd mariadb-server": (
        "needs root and a network"
    ),
    "python tests/slurm/cluster.py up /tmp/cluster": "needs root; tests/slurm starts the same cluster",
    "python tests/slurm/cluster.py down /tmp/cluster": "needs root; tests/slurm stops the same cluster",
    ".venv/bin/python tests/support/deviations.py": "takes minutes; tests/models compare the same outputs",
    "snakemake report --configfile=config/demo.yaml --report run.html": "needs a finished run",
    "snakemake --report": "names an option",
    "rm -r results/{run}": "deletes results",
    "rm -r results/store": "deletes results",
}
CLUSTER_PROGRAMS = ("sbatch", "sinfo", "squeue", "scontrol", "scancel", "jq")  # need a running SLURM or a finished run
COMMANDS = all_commands()
PYTHON_HELP = re.compile(r"(\.venv/bin/python -m [\w.]+).*")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Return a clone with the changes that are not committed, the environment, and the files that examples name."""
    root = tmp_path_factory.mktemp("clone") / "diffzero"
    subprocess.run(["git", "clone", "-q", ROOT, root], check=True)
    listing = ["git", "ls-files", "--modified", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file() and name != ".venv":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / ".venv").symlink_to((ROOT / ".venv").resolve())
    shutil.copy(ROOT / "tests/files/pictures/photo.png", root / "photo.png")
    (root / "my.yaml").write_text((ROOT / "config/demo.yaml").read_text().replace("name: demo", "name: mine"))
    binaries = root.parent / "bin"  # of an activated environment, in which Snakemake only plans
    binaries.mkdir()
    real = f"{root}/.venv/bin/snakemake"
    (binaries / "snakemake").write_text(
        f'#!/bin/bash\ncase " $* " in *" --unlock "*) exec {real} "$@";; *) exec {real} -n --quiet "$@";; esac\n'
    )
    (binaries / "snakemake").chmod(0o755)
    return root


def run(clone: Path, command: str) -> None:
    """Run a command in the clone as in an activated environment; fail with its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{clone.parent}/bin:{clone}/.venv/bin:{environment['PATH']}"
    environment["SLURM_CONF"] = "/nonexistent"  # of this machine, not of a SLURM that other tests start here
    done = subprocess.run(
        ["bash", "-c", command], cwd=clone, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


def parsed(arguments: list[str]) -> tuple:
    """Return what decides the plan of a Snakemake command, whose options must exist."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            options = get_argument_parser().parse_args([word for word in arguments if word != "--"])
        except SystemExit:
            pytest.fail(f"{arguments}: {errors.getvalue()[-300:]}")
    assert options.cores or options.profile or options.dryrun or options.unlock or options.report, arguments
    files = tuple(map(str, options.configfile or []))
    return options.unlock, files, tuple(options.config or []), tuple(sorted(options.targets)), str(options.batch)


def plans() -> dict[tuple, str]:
    """Return one command per plan; the others differ in options that change no plan."""
    found: dict[tuple, str] = {}
    for command in COMMANDS:
        arguments = words_after("snakemake", command)
        if arguments is not None and command not in NOT_RUN:
            found.setdefault(parsed(arguments), command)
    return found


def test_every_command_is_covered_by_a_rule():
    assert len(COMMANDS) > 40 and set(NOT_RUN) <= set(COMMANDS)
    for command, page in COMMANDS.items():
        known = command in NOT_RUN or command.startswith(CLUSTER_PROGRAMS)
        known |= any(words_after(program, command) is not None for program in ("snakemake", "make", "source", "echo"))
        known |= bool(PYTHON_HELP.search(command)) or "benchmarks/" in command or command.startswith("for k in")
        known |= command.startswith("make setup && ")
        assert known, f"{page}: no rule for `{command}`. Add one to this test, or the reason to NOT_RUN."


def test_a_new_command_is_found_in_blocks_and_in_prose():
    page = (
        "Type `make x` or `file.py`.\n\n    conda run x\n\n```python\nmake = 1\n```\n\n```\nsnakemake a   # why\n```\n"
    )
    assert sorted(commands_of(page)) == ["conda run x", "make x", "snakemake a"]
    assert not is_command("snakemake") and is_command("A=b .venv/bin/python -m x")


def test_snakemake_plans_every_command(clone):
    run(clone, next(command for command in COMMANDS if command.startswith("echo ")))
    for command in plans().values():
        run(clone, command)


def test_loops_over_snakemake_run(clone):
    loops = [command for command in COMMANDS if command.startswith("for ")]
    assert loops
    for command in loops:
        run(
            clone, command.replace("for k in 1 2 3;", "for k in 1 2;")
        )  # the last batch needs the results of the others


def test_the_other_commands_run(clone):
    for command in COMMANDS:
        arguments = words_after("make", command)
        if arguments is not None:
            # The environment counts as installed (-o).
            flag = "-o .venv/.installed" if arguments == ["config-docs"] else "-n"
            run(clone, command.replace("make", f"make {flag}", 1))
        elif command.startswith("make setup && "):
            run(clone, command.replace("make", "make -n", 1))
        elif PYTHON_HELP.search(command):
            run(clone, PYTHON_HELP.sub(r"\1 --help", command))
        elif "benchmarks/" in command:
            run(clone, command)
