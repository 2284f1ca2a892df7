"""The names that `import diffzero` offers are imported on first use and classify an image."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import diffzero
from diffzero.data.transforms import encode_png

ROOT = Path(__file__).parents[2]
NAMES = sorted(set(diffzero.__all__) - {"__version__"})
HEAVY = {"torch", "numpy", "pandas", "pydantic", "diffusers", "transformers"}
MODEL = "kind: diffusion\ntitle: tiny\nlicence: MIT\nresolution: 32\ndtype: float32\npath: {path}\n"


def imported_after(code: str) -> set[str]:
    """Return which of the heavy libraries are imported in a new process that runs this code."""
    command = [sys.executable, "-c", f"import sys, diffzero; {code}; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def test_importing_and_listing_the_package_imports_no_library():
    assert imported_after("dir(diffzero), diffzero.__version__, hasattr(diffzero, 'nothing')") == set()


@pytest.mark.parametrize("name", ["Policy", "Weighting", "load_model"])
def test_only_what_runs_a_network_imports_pytorch(name):
    assert "torch" not in imported_after(f"diffzero.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_listed_and_is_the_object_of_its_module(name):
    found = getattr(diffzero, name)
    assert name in dir(diffzero) and found is getattr(import_module(found.__module__), name)
    assert found.__module__.startswith("diffzero.") and found.__doc__


def test_a_type_checker_sees_the_same_names_and_modules():
    tree = ast.parse((ROOT / "src" / "diffzero" / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {f"{node.module}.{alias.name}" for node in imports for alias in node.names if alias.asname}
    assert seen == {f"{diffzero._MODULES[name]}.{name}" for name in NAMES}


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'diffzero' has no attribute 'predict'"):
        diffzero.predict  # noqa: B018
    with pytest.raises(ImportError):
        exec("from diffzero import predict")


def test_the_example_of_the_readme_ranks_the_prompts(tmp_path, tiny_sd, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert '"mini-sd"' in code and "photo.png" in code
    (tmp_path / "config" / "models").mkdir(parents=True)
    (tmp_path / "config" / "models" / "mini-sd.yaml").write_text(MODEL.format(path=tiny_sd))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    (tmp_path / "photo.png").write_bytes(encode_png(pixels))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0] for line in lines} == {"a sneaker", "a bag"}
