"""Lists of class names: names that do not read as they are written, and values that YAML does not read as text."""

import shutil
from pathlib import Path

import pytest

from diffzero.config import ConfigError, Dataset, load_dataset

ROOT = Path(__file__).parents[2]
VALUES = {"title": "T", "prompt_templates": ["a {}."], "licence": "MIT"}
HUB = {"kind": "hub", "repo": "a/b", "revision": "0" * 40, "split": "test", "image": "image", "label": "label"}
LISTS = ["classnames", "source_classnames", "prompt_templates", "source.source_classnames", "source.label_names"]


def load(key: str, names: list[str]) -> Dataset:
    """Return a data set with these names under the key; the other lists have as many good ones."""
    good = [f"class {k}" for k in range(len(names))]
    values: dict = {**VALUES, "classnames": good, "source": dict(HUB)}
    if key.startswith("source."):
        values["source"][key.removeprefix("source.")] = names
    else:
        values[key] = names
    return Dataset.model_validate(values)


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("", "no text"), (" ", "only spaces"), ("\u00a0", "only spaces"), ("\t", "only spaces"),
        ("cat ", "a space before or after it"), (" cat", "a space before or after it"), ("cat\u3000", "a space before or after it"),
        ("cat\n", "U+000A (control character)"), ("c\x00at", "U+0000"), ("c\x7fat", "U+007F"), ("c\tat", "U+0009"), ("c\x85at", "U+0085"),
        ("c\u200bat", "U+200B (zero width space)"), ("\ufeffcat", "U+FEFF"), ("c\u200dat", "U+200D"), ("c\u00adat", "U+00AD (soft hyphen)"),
        ("cat\u200e", "U+200E"), ("c\u2060at", "U+2060"), ("cat\ufe0f", "U+FE0F"), ("c\u2028at", "U+2028"), ("a\u00a0cat", "U+00A0"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_read_as_it_is_written_is_refused_in_every_list(key, name, defect):
    names = [f"{name}{{}}" if key == "prompt_templates" and name.strip() == name and name else name, "dog"]
    names = [names[0], "a {}" if key == "prompt_templates" else "dog"]
    with pytest.raises(ValueError, match="found (name|template) 1") as error:
        load(key, names)
    assert defect in str(error.value)


@pytest.mark.parametrize("key", [key for key in LISTS if key != "prompt_templates"])
def test_two_names_that_are_equal_after_normalisation_are_refused(key):
    with pytest.raises(ValueError, match=r"found the names 'caf\\xe9' and 'cafe\\u0301', which look the same"):
        load(key, ["café", "dog", "cafe\u0301"])


def test_names_in_any_script_and_equal_names_are_allowed():
    names = [
        "café",
        "Cat",
        "cat",
        "日本\u3000犬",
        "C++",
        "❤\ufe0f",
        "head of a  crocodile",
        "Größe",
        "missile",
        "missile",
        "-1",
        "1",
        "x$",
    ]
    assert load("classnames", names).classnames == names
    imagenet = load_dataset("imagenet", ROOT).classnames
    assert imagenet.count("missile") == imagenet.count("sunglasses") == 2


def test_every_shipped_data_set_has_good_names():
    for path in sorted((ROOT / "config/datasets").glob("*.yaml")):
        assert load_dataset(path.stem, ROOT).classnames


YAML = """title: T
source: {{kind: digits}}
classnames: {classnames}
source_classnames: {source_classnames}
prompt_templates: ["a {{}}."]
licence: MIT
"""


@pytest.fixture
def root(tmp_path):
    """Return a repository root whose only data set is written by the tests."""
    shutil.copytree(ROOT / "config/models", tmp_path / "config/models")
    (tmp_path / "config/datasets").mkdir()
    return tmp_path


@pytest.mark.parametrize("key", ["classnames", "source_classnames"])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "False"), ("on", "True"), ("Off", "False"), ("YES", "True"), ("007", "7"), ("0x1F", "31"), ("1_000", "1000"), ("7", "7"),
        ("1.10", "1.1"), ("1.0e+3", "1000.0"), (".inf", "inf"), (".nan", "nan"), ("12:30", "750"), ("2024-01-01", "2024-01-01"),
        ("null", "nothing"), ("~", "nothing"), ("0o7", None), ("1e3", None), ("y", None), ("none", None), ("-", None),
    ],
)  # fmt: skip
def test_a_name_is_the_text_that_the_user_sees_or_is_refused_with_the_quoted_form(root, key, text, value):
    lists = {"classnames": "[cat, dog]", "source_classnames": "[cat, dog]", key: f"\n  - cat\n  - {text}"}
    if text == "-":
        lists[key] = "[cat, '-']"
    (root / "config/datasets/mine.yaml").write_text(YAML.format(**lists))
    if value is None:
        assert getattr(load_dataset("mine", root), key) == ["cat", text]
        return
    with pytest.raises(ConfigError) as error:
        load_dataset("mine", root)
    line = 5 if key == "classnames" else 6
    assert f"mine.yaml, line {line}: '{key}[1]': found {value}, expected text. Put it in quotes: '{text}'" in str(
        error.value
    )
    (root / "config/datasets/mine.yaml").write_text(YAML.format(**{**lists, key: f"[cat, '{text}']"}))
    assert getattr(load_dataset("mine", root), key) == ["cat", text]


def test_an_empty_entry_is_refused(root):
    (root / "config/datasets/mine.yaml").write_text(YAML.format(classnames="\n  - cat\n  -", source_classnames="[]"))
    with pytest.raises(
        ConfigError, match=r"'classnames\[1\]': found nothing, expected text. Write the text, or remove the entry"
    ):
        load_dataset("mine", root)
