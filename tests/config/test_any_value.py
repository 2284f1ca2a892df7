"""Any YAML value at any key of a valid file: it loads, or the error names the file, the line and the key."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffzero.config import ConfigError, load_dataset, load_model, load_run
from workspace import ROOT

# Texts that YAML reads in surprising ways, and values at the limits of types.
TEXTS = """0|1|-1|33|1.5|-0.0|1e3|1.0e+3|1.0e+308|.nan|.inf|-.inf|true|no|on|null|~|''|'1'|big|007|0x_|0o17|1_000|1:30|2024-01-01
2024-13-45|cuda:99999999999999999999|../x|.|..|/|"a\\nb"|"a\\0b"|!!binary aGk=|!!int x|!!set {a}|=|[]|{}|[[]]|[null]|[a, a]|{a: 1}|{kind: x}
{kind: [a]}|{kind: full, max_scores: 1}|{1: 2}|{[a]: b}|{<<: 3}|&x [*x]|*x|[a|{a|'|@a|!foo b|x: y: z
{x: {y: [-1]}}|"(?P<shape>a{99999999999})"|- a|"\\ud800"
10000000000000000000000000000000000000000|-5000000000000000000000000|99999999999999"""
SURPRISING = st.sampled_from([*TEXTS.replace("\n", "|").split("|"), "9" * 5000, "a" * 300, "[" * 50])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
).map(
    lambda value: yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")
)
FILES = {
    "run": ["config/demo.yaml", "config/config.yaml"],
    "models": [f"config/models/{name}.yaml" for name in ("mini-sd", "stable-diffusion-v1-4", "clip-vit-l-14", "resnet50")],
    "datasets": [f"config/datasets/{name}.yaml" for name in ("mnist", "svhn", "dtd", "cue_conflict", "camelyon", "fashion")],
}  # fmt: skip


def paths_in(node: object, keys: tuple = ()) -> list[tuple]:
    """Return the keys of every value, with at most two entries per list."""
    items = (
        list(node.items()) if isinstance(node, dict) else list(enumerate(node[:2])) if isinstance(node, list) else []
    )
    return [path for key, value in items for path in ((*keys, key), *paths_in(value, (*keys, key)))]


def written(node: object, target: tuple, text: str, keys: tuple = ()) -> str:
    """Return the YAML of a file, with `text` as the value of the keys `target`."""
    if keys == target:
        return text
    if isinstance(node, dict):
        entries = [f"{json.dumps(key)}: {written(value, target, text, (*keys, key))}" for key, value in node.items()]
        return "{" + ", ".join(entries) + "}" if keys else "".join(f"{entry}\n" for entry in entries)
    if isinstance(node, list):
        return "[" + ", ".join(written(value, target, text, (*keys, i)) for i, value in enumerate(node)) + "]"
    return json.dumps(node)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Return a folder with the shipped models and data sets, to which changed files are added."""
    root = tmp_path_factory.mktemp("root")
    for name in ("models", "datasets"):
        (root / "config" / name).mkdir(parents=True)
        for path in (ROOT / "config" / name).glob("*.yaml"):
            (root / "config" / name / path.name).symlink_to(path)
    return root


LOAD = {"run": lambda root: load_run("config/run/changed.yaml", root), "models": lambda root: load_model("changed", root),
        "datasets": lambda root: load_dataset("changed", root)}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_at_any_key_loads_or_is_refused_with_file_line_and_key(root, kind, data):
    content = yaml.safe_load((ROOT / data.draw(st.sampled_from(FILES[kind]))).read_text())
    keys = data.draw(st.sampled_from(paths_in(content)))
    text = data.draw(SURPRISING | PLAIN)
    path = root / "config" / kind / "changed.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(written(content, keys, text), encoding="utf-8")
    try:
        LOAD[kind](root)
    except ConfigError as error:
        for line in str(error).split("\n"):
            assert line.startswith(f"config/{kind}/changed.yaml, line ") and len(line) < 1500, line
            assert "'" in line or "is not YAML" in line or "key" in line or "control character" in line, line
