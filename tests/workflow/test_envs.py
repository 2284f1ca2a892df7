"""Environments, rules and scripts: pins agree with the lock file, every rule has a log, every script is short."""

import ast
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from snakemake.rules import Rule

from parsed_workflow import all_rules, script_of

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PIN = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^]]*])?==([^\s;\\]+)")


def normal(name: str) -> str:
    """Return the normalised name of a package, by which indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines) -> dict[str, str]:
    """Return the pinned versions by normalised name."""
    found = (PIN.match(line) for line in lines)
    return {normal(match[1]): match[2] for match in found if match}


def environments() -> dict[str, set[Path]]:
    """Return the scripts of the rules by the environment that they run in."""
    found: dict[str, set[Path]] = {path.stem: set() for path in (ROOT / "envs").glob("*.yaml")}
    for rule in working_rules().values():
        found[Path(str(rule.conda_env)).stem].add(script_of(rule))
    return found


def installed(env: str) -> set[str]:
    """Return the normalised names of the packages in an environment: its pins and their dependencies."""
    dependencies = yaml.safe_load((ROOT / "envs" / f"{env}.yaml").read_text())["dependencies"]
    listed = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    found, todo = set(), list(pins(listed))
    while todo:
        name = normal(todo.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # a package for another platform
            continue
        todo += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def working_rules() -> dict[str, Rule]:
    """Return the rules that run a script; the others only name targets."""
    return {name: rule for name, rule in all_rules().items() if rule.script}


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_environment_pins_the_versions_of_the_lock_file(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    listed = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    found, locked = pins(listed), pins(LOCK.splitlines())
    assert len(found) == len(listed)
    assert found == {name: locked.get(name) for name in found}


def test_the_lock_file_holds_hashes_and_no_address():
    lines = [line for line in LOCK.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert not [
        line for line in lines if "://" in line or line.lstrip().startswith(("-i", "--index", "--extra", "--find"))
    ]
    blocks = re.split(r"^(?=\S)", "\n".join(lines), flags=re.MULTILINE)[1:]
    assert len(blocks) > 50 and all(PIN.match(block) for block in blocks)
    assert not [block for block in blocks if "--hash=sha256:" not in block]


def test_the_projects_own_pins_are_in_the_lock_file():
    listed = re.findall(r'^\s*"([A-Za-z0-9_-]+==[^"]+)"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    found = pins(listed)
    assert len(found) > 20 and found.items() <= pins(LOCK.splitlines()).items()


# What an environment does not hold is not found here, though this one holds everything.
WITHOUT = """
import json, sys, traceback
from importlib.machinery import PathFinder
missing, scripts = json.loads(sys.stdin.read())
class Held(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in missing else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder] + [Held]
for script, imports in scripts.items():
    try:
        exec(imports, {})
    except ImportError:
        print(script, traceback.format_exc())
"""


@pytest.mark.parametrize("env", sorted(environments()))
def test_every_script_imports_with_what_its_environment_holds(env):
    held = installed(env)
    modules = metadata.packages_distributions().items()
    missing = [name for name, owners in modules if not {normal(owner) for owner in owners} & held]
    scripts = {}
    for path in sorted(environments()[env]):
        nodes = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        scripts[path.name] = "\n".join(map(ast.unparse, nodes))
    assert scripts
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(
        command, input=json.dumps([missing, scripts]), capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(working_rules()))
def test_every_rule_has_a_message_a_log_an_environment_and_resources(name):
    rule = working_rules()[name]
    assert rule.message and len(rule.log) == 1 and rule.conda_env
    assert {"mem_mb", "runtime"} <= set(rule.resources)


def test_rules_without_script_only_name_targets():
    assert {name for name, rule in working_rules().items() if not rule.output} == {"plan", "check"}
    without = [rule for rule in all_rules().values() if not rule.script]
    assert {rule.name for rule in without} == {"all", "scores", "tables", "figures", "report", "train_mini"}
    assert not [rule.name for rule in without if rule.output or rule.log]


@pytest.mark.parametrize("path", sorted((ROOT / "workflow" / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_short_logs_first_and_belongs_to_a_rule(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert "configure_logging(snakemake.log[0])" in text
    assert path in {script_of(rule) for rule in working_rules().values()}
