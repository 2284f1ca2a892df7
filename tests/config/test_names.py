"""Names of models, data sets and runs become parts of paths; the configuration refuses names that no wildcard matches."""

import re

import pytest

from diffzero.config import ConfigError, load_run
from diffzero.utils.fields import DATASET_NAME, MODEL_NAME, SLUG
from workspace import DATASET, MODEL, ROOT, workspace

RUN = {"name": "r", "models": ["m"], "datasets": ["d"]}


@pytest.mark.parametrize(
    ("kind", "name", "allowed"),
    [
        ("dataset", "digits.v2", "letters, digits and _ -"),
        ("dataset", "my digits", "letters, digits and _ -"),
        ("model", "a_model@2", "letters, digits and . _ -"),
        ("model", "a+b", "letters, digits and . _ -"),
    ],
)
def test_a_name_that_no_wildcard_matches_is_refused_with_the_allowed_characters(tmp_path, kind, name, allowed):
    root = workspace(tmp_path, model=MODEL + "path: x\n", dataset=DATASET)
    file = root / "config" / f"{kind}s" / f"{name}.yaml"
    file.write_text(MODEL + "path: x\n" if kind == "model" else DATASET)
    with pytest.raises(ConfigError) as error:
        load_run(RUN | {f"{kind}s": [name]}, root, where="my.yaml")
    assert str(error.value) == (
        f"my.yaml: found the {kind} name '{name}', expected {allowed}: it becomes part of paths. "
        f"Rename config/{kind}s/{name}.yaml."
    )


def test_a_run_name_with_other_characters_is_refused_with_the_allowed_ones(tmp_path):
    root = workspace(tmp_path, model=MODEL + "path: x\n", dataset=DATASET)
    with pytest.raises(ConfigError, match="'name': found 'Run_1', expected lower-case letters, digits and hyphens"):
        load_run(RUN | {"name": "Run_1"}, root)


def test_the_names_of_all_shipped_models_and_data_sets_are_allowed():
    for kind, pattern in (("models", MODEL_NAME), ("datasets", DATASET_NAME)):
        assert all(re.fullmatch(pattern, path.stem) for path in (ROOT / "config" / kind).glob("*.yaml"))


def test_the_snakefile_uses_the_same_patterns_as_wildcard_constraints():
    text = (ROOT / "Snakefile").read_text()
    for wildcard, name in (
        ("model", "MODEL_NAME"),
        ("dataset", "DATASET_NAME"),
        ("race", "SLUG"),
        ("weighting", "SLUG"),
    ):
        assert f"    {wildcard}={name},\n" in text
    assert re.fullmatch(SLUG, "shared-ttest-20-2000-0.002-heuristic-7")
