"""Printed commands work as they are printed, with and without an activated environment."""

import re
import subprocess
import sys
from pathlib import Path

from diffzero.utils.commands import snakemake_command
from diffzero.workflow.cost import closing_message

ROOT = Path(__file__).parents[2]


def test_the_command_is_the_one_that_make_setup_installs_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert snakemake_command("--cores 1 check") == "snakemake --cores 1 check"
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/snakemake").touch()
    assert snakemake_command("--cores 1 check") == ".venv/bin/snakemake --cores 1 check"
    argv = ["/elsewhere/snakemake", "--configfile", "my run.yaml"]
    for success in (True, False):
        last = closing_message(tmp_path / "scores", argv, "tables", success).splitlines()[-1]
        assert last.endswith("run: .venv/bin/snakemake --configfile 'my run.yaml'")


def test_make_setup_lets_modules_be_run_without_pythonpath(tmp_path):
    (recipe,) = re.findall(r"@(echo \S+ > .*diffzero\.pth\")", (ROOT / "Makefile").read_text())
    packages = tmp_path / ".venv/lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    subprocess.run(["bash", "-c", recipe.replace("$$", "$")], cwd=tmp_path, check=True)
    (tmp_path / "src").symlink_to(ROOT / "src")
    code = f"import site; site.addsitedir({str(packages)!r}); import diffzero; print(diffzero.__file__)"
    # Without the installed packages (-S), among which may be the same file.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tmp_path / "src"))
