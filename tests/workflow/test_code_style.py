"""Conventions of the code and its documentation that the linters do not check."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import diffzero

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "diffzero"
MOST_LINES = {"src": 300, "benchmarks": 300, "tests": 300, "workflow": 60}
MOST_FUNCTION_LINES = 40
PYTHON = [path for top in MOST_LINES for path in sorted((ROOT / top).rglob("*.py"))]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def long_functions(tree: ast.Module) -> list[str]:
    """Return the names of functions with too many lines, not counting their docstrings."""
    found = []
    for function in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
        docstring = function.body[0] if ast.get_docstring(function) else None
        lines = function.end_lineno - function.lineno + 1
        lines -= docstring.end_lineno - docstring.lineno + 1 if docstring else 0
        found += [function.name] if lines >= MOST_FUNCTION_LINES else []
    return found


def misnamed_exceptions(tree: ast.Module) -> list[str]:
    """Return the exceptions whose names do not end in Error."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    raised = [c for c in classes if any(re.search(r"(Error|Exception)$", ast.unparse(base)) for base in c.bases)]
    return [c.name for c in raised if not c.name.endswith("Error")]


def public_names(tree: ast.Module) -> list[str]:
    """Return the public names that a module defines at its top level."""
    names = []
    for node in tree.body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        flat = [name for target in targets for name in getattr(target, "elts", [target]) if isinstance(name, ast.Name)]
        names += [node.name] if isinstance(node, (ast.ClassDef, *FUNCTIONS)) else [name.id for name in flat]
    return [name for name in names if not name.startswith("_")]


def unnamed_folders(tree: ast.Module) -> list[int]:
    """Return the lines of parameters and attributes called `folder`, which does not say what the folder holds."""
    named = [(getattr(node, "arg", getattr(node, "attr", None)), node) for node in ast.walk(tree)]
    fields = [
        (node.target.id, node)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    return [node.lineno for name, node in named + fields if name == "folder"]


def unclear_docstrings(tree: ast.Module) -> list[str]:
    """Return docstrings that do not begin with what the object is or does."""
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))]
    docstrings = [ast.get_docstring(node) or "" for node in documented]
    return [text for text in docstrings if re.match(r"(Nothing|Whether|What|Who)\b", text)]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_docstrings_direct(path):
    text = path.read_text()
    top = path.relative_to(ROOT).parts[0]
    tree = ast.parse(text)
    assert len(text.splitlines()) < MOST_LINES[top]
    assert not unclear_docstrings(tree)
    assert not unnamed_folders(tree)
    if path.is_relative_to(ROOT / "tests" / "support") or top != "tests":
        assert not long_functions(tree)
    if top == "src":
        assert not misnamed_exceptions(tree)


def test_a_public_name_has_one_definition():
    """Names that all modules of a folder define by agreement, such as a table's COLUMNS, may be defined once per module."""
    folders: dict[str, list[Path]] = {}
    for path in sorted(SRC.rglob("*.py")):
        for name in dict.fromkeys(public_names(ast.parse(path.read_text()))):
            folders.setdefault(name, []).append(path.parent.relative_to(SRC))
    repeated = {name: [str(folder) for folder in found] for name, found in folders.items() if len(found) > 1}
    shared = {name: folder for name, (folder, *others) in repeated.items() if {folder} == set(others)}
    assert repeated.keys() - shared.keys() - {"log", "main", "T"} == set(), repeated
    assert shared == {
        "COLUMNS": "reporting/tables", "HEADER": "reporting/tables", "make_table": "reporting/tables",
        "make_figure": "reporting/figures", "TEXT_TOKENS": "models/families",
    }  # fmt: skip


def texts() -> dict[str, str]:
    """Return code, configuration and documents of the project, without its tests, by their path."""
    tops = ("src/diffzero", "workflow", "rules", "benchmarks", "slurm", "config", "docs")
    files = [path for top in tops for path in sorted((ROOT / top).rglob("*"))] + [
        ROOT / "README.md",
        ROOT / "Snakefile",
    ]
    kinds = {".py", ".smk", ".md", ".yaml", ".rst", ".html", ""}
    return {str(path.relative_to(ROOT)): path.read_text() for path in files if path.is_file() and path.suffix in kinds}


def test_snakemake_commands_can_be_typed_as_they_are_written():
    """Snakemake 9 refuses to run jobs without --cores, unless a profile gives it."""
    command = r"^ {4}((?:\S*/)?snakemake .+)$|`((?:\S*/)?snakemake [^`]+)`"
    enough = r"--(cores|profile|unlock|report|lint)\b| -n\b"
    found = {(path, "".join(match)) for path, text in texts().items() for match in re.findall(command, text, re.M)}
    assert len(found) > 20
    assert not {entry for entry in found if not re.search(enough, entry[1])}


def test_a_command_is_re_run_and_never_typed_again():
    assert not [
        path
        for path, text in texts().items()
        if re.search(r"(type|(?<!re-)run) the same command|hands twice", text, re.I)
    ]


def test_packages_are_documented_in_the_order_of_their_imports():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = contracts[0]["layers"][::-1]
    section = (
        (ROOT / "docs" / "architecture.md").read_text().split("## Packages of `src/diffzero`")[1].split("\n## ")[0]
    )
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == layers
    modules = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert modules - {"__init__", "typing"} == set(layers)


def test_rules_and_files_that_documents_name_exist():
    rules = {
        name
        for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
        for name in re.findall(r"^\s*(?:use )?rule (?:\w+ as )?(\w+)", path.read_text(), flags=re.MULTILINE)
    }
    for document in DOCUMENTS:
        text = document.read_text()
        assert set(re.findall(r"`rule (\w+)`", text)) <= rules, document
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        assert not [link for link in links if not (document.parent / link).exists()], document


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == diffzero.__version__
