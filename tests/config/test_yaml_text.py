"""A file that is not what it should be is refused with its name, the line and the key."""

import pytest

from diffzero.config import ConfigError, load_dataset, load_model, load_run
from workspace import DATASET, MODEL, workspace

RUN = "name: r\nmodels: [m]\ndatasets: [d]\npolicy:\n  max_scores: 30\n"
LOADERS = {
    "config/models/m.yaml": (MODEL + "path: x\n", lambda root: load_model("m", root)),
    "config/datasets/d.yaml": (DATASET, lambda root: load_dataset("d", root)),
    "run.yaml": (RUN, lambda root: load_run("run.yaml", root)),
}


@pytest.fixture(params=LOADERS)
def file(request, tmp_path):
    """Return a function that loads the file with other bytes and gives the error."""
    root = workspace(tmp_path, model=MODEL + "path: x\n", dataset=DATASET)
    (root / "run.yaml").write_text(RUN)
    text, load = LOADERS[request.param]

    def fails(change):
        changed = change(text)
        (root / request.param).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
        with pytest.raises(ConfigError) as error:
            load(root)
        message = str(error.value)
        assert message.startswith(request.param) and "\n" not in message
        return message.removeprefix(request.param)

    fails.text = text
    load(root)
    return fails


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: "", ": found nothing, expected lines of the form 'key: value'"),
        (lambda text: "# only a comment\n", ": found nothing"),
        (lambda text: "- a\n- b\n", ", line 1: found a list, expected lines of the form 'key: value'"),
        (lambda text: "\njust text\n", ", line 2: found a str, expected lines"),
        (lambda text: text.encode() + b"note: M\xfcnze\n", "found the byte 0xfc, which is not UTF-8"),
        (lambda text: text.encode("utf-16"), ", line 1: found the byte 0xff, which is not UTF-8"),
        (lambda text: text + "note: a\x07b\n", "found the control character U+0007"),
        (lambda text: text + "note:\n\tx: 1\n", "is not YAML: found character that cannot start any token"),
        (lambda text: text + "note:\n\tx: 1\n", "Indent with spaces: YAML refuses tabs."),
        (lambda text: text + "note: 'open\n", "is not YAML"),
        (lambda text: text + "note: a: b\n", "is not YAML"),
        (lambda text: text + "---\nnote: x\n", "is not YAML: but found another document"),
        (lambda text: text + "1: x\n", "found the key '1' without quotes"),
        (lambda text: text + "no: x\n", "found the key 'no' without quotes"),
        (lambda text: text + "[a]: x\n", "found a list or block as a key"),
        (lambda text: text + "note: !!python/name:os.system x\n", "'note': found 'x', which cannot be read as"),
        (lambda text: text + "note: !!set {a}\n", "'note': found the tag !!set, expected none"),
        (lambda text: text + "note: 2024-13-45\n", "'note': found '2024-13-45', which cannot be read as !!timestamp"),
        (lambda text: text + "note: " + "9" * 5000 + "\n", "which cannot be read as !!int"),
        (lambda text: text + "note: &a [*a]\n", "'note[0]' is an alias of a block that contains it"),
        (lambda text: text + "<<: 3\n", "'<<': expected the alias of a block"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_the_line_and_the_reason(file, change, expected):
    message = file(change)
    assert expected in message and (", line " in message or "found nothing" in message)


def test_a_repeated_key_is_refused_with_both_lines(file):
    first = file.text.splitlines()[0]
    key, last = first.split(":")[0], len(file.text.splitlines()) + 1
    message = file(lambda text: text + first + "\n")
    assert message == f", line {last}: '{key}' is also on line 1. Remove one."


def test_a_repeated_key_is_refused_at_every_depth(file):
    message = file(lambda text: text + "extra:\n  a:\n  - {b: 1, c: {d: 1, d: 2}}\n")
    assert "'extra.a[0].c.d' is also on line" in message


def test_aliases_that_expand_to_billions_of_values_are_refused(file):
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))
    assert "the aliases expand to more than 200,000 values" in file(lambda text: text + "l0: &l0 [x]\n" + levels)


def test_anchors_and_merge_keys_are_allowed_and_own_keys_take_precedence(tmp_path):
    root = workspace(tmp_path, model=MODEL + "path: x\n", dataset=DATASET)
    policies = "policy: &p {min_scores: 3, max_scores: 30}\nattribute_binding:\n  examples_per_task: 2\n"
    text = "name: r\nmodels: &models [m]\ndatasets: [d]\n" + policies
    text += "  models: *models\n  policy:\n    <<: *p\n    max_scores: 20\n"
    (root / "run.yaml").write_text(text)
    run = load_run("run.yaml", root)
    assert (run.attribute_binding.policy.min_scores, run.attribute_binding.policy.max_scores) == (3, 20)
    (root / "run.yaml").write_text(text.replace("min_scores: 3", "min_scores: 1"))
    with pytest.raises(ConfigError) as error:
        load_run("run.yaml", root)
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["run.yaml, line 4"] * 2
