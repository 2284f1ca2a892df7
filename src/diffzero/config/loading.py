"""From YAML or Snakemake's merged configuration to checked settings, or one message that says what to write instead."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from diffzero.config.base import ConfigError, did_you_mean, nearest_first
from diffzero.config.models import Baseline, Clip, Diffusion, Model, Supervised
from diffzero.config.run import Run
from diffzero.data.dataset import Dataset
from diffzero.utils.fields import PATTERN_MEANINGS

T = TypeVar("T")
DOCS = "docs/configuration.md"
Keys = tuple[str | int, ...]
# The ImageNet file has 1000 names, and every job of a workflow reads the configuration again.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Lists of what is shown beside the main tables: each entry names a model and a data set of the run.
FIGURES = ("figure2_efficiency", "full_scoring", "ablations", "figure3_denoised", "figure6_samples")
_KINDS: dict[Keys, Any] = {
    ("models",): Diffusion,
    ("baselines",): Baseline,
    ("attribute_binding", "models"): Diffusion,
    ("attribute_binding", "baselines"): Baseline,
}


@dataclass(frozen=True)
class _Document:
    """Unchecked settings, what to call them in a message, and the line of each key where they came from one file."""

    name: str
    content: Mapping[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)

    def place(self, keys: Keys) -> str:
        """`file` or `file, line n`: where these keys, or the block that lacks them, are written."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.name}, line {self.lines[keys]}" if keys else self.name


def load_run(source: Mapping[str, Any] | str | Path, root: Path, where: str = "configuration") -> Run:
    """The settings of a run, every model and data set in them known.

    `source` is a YAML file (relative to `root`, the folder that holds `config`) or the dictionary that Snakemake
    merged from its configuration files and `--config`, which messages then call `where`. Raises ConfigError.
    """
    document = _Document(where, source) if isinstance(source, Mapping) else _read(root / source, root)
    run: Run = _check(TypeAdapter(Run), document)
    for key, kind in _KINDS.items():
        for number, name in enumerate(_at(run, key)):
            _check_kind((*key, number), kind, name, root, document)
    for number, name in enumerate(run.datasets):
        _load("dataset", name, root, document.place(("datasets", number)) + ": ")
    _check_figures(run, document, root)
    if run.attribute_binding is None:
        return run
    own = {key: getattr(run, key) for key in ("models", "baselines") if getattr(run.attribute_binding, key) is None}
    return run.model_copy(update={"attribute_binding": run.attribute_binding.model_copy(update=own)})


def load_model(name: str, root: Path) -> Diffusion | Clip | Supervised:
    """The model `name`, from `config/models` under `root`. Raises ConfigError."""
    return _load("model", name, root)


def load_dataset(name: str, root: Path) -> Dataset:
    """The data set `name`, from `config/datasets` under `root`. Raises ConfigError."""
    return _load("dataset", name, root)


def load_block(block: type[T], values: Mapping[str, Any], where: str) -> T:
    """One block of a configuration, e.g. Policy, of `values` that come from what messages call `where`. Raises ConfigError."""
    return _check(TypeAdapter(block), _Document(where, values))


def _at(run: Run, keys: Keys) -> list[str]:
    """The list of names under `keys`; empty where the run leaves it out."""
    value: Any = run
    for key in keys:
        value = getattr(value, str(key), None)
    return value or []


def _check_kind(keys: Keys, kind: Any, name: str, root: Path, document: _Document) -> None:
    """Refuse a model that is unknown or of a kind that does not belong under `keys`."""
    place = f"{document.place(keys)}: "
    model = _load("model", name, root, place)
    if not isinstance(model, kind):
        right = "baselines" if isinstance(model, Baseline) else "models"
        raise ConfigError(
            f"{place}'{name}' in '{_dotted(keys[:-1])}' is a {model.kind} model. List it under '{right}'."
        )


def _check_figures(run: Run, document: _Document, root: Path) -> None:
    """Refuse a figure of what the run lacks. Comes after the names: a misspelt model must not be reported as this."""
    for keys, entry in [((k, i), entry) for k in FIGURES for i, entry in enumerate(getattr(run, k))]:
        place = f"{document.place(keys)}: '{_dotted(keys)}"
        for key, legal in (("model", run.models), ("dataset", run.datasets)):
            if (name := getattr(entry, key)) not in legal:
                hint = did_you_mean(name, legal)
                raise ConfigError(f"{place}.{key}' is '{name}', expected one of '{key}s': {', '.join(legal)}.{hint}")
        if keys[0] in FIGURES[:2] + ("figure3_denoised",) and entry.n_images > run.max_images:
            raise ConfigError(
                f"{place}.n_images' is {entry.n_images}, expected at most 'max_images', which is {run.max_images}."
            )
    for number, variant in enumerate(run.ablations):
        templates = load_dataset(variant.dataset, root).prompt_templates
        if variant.prompt_template is not None and variant.prompt_template >= len(templates):
            raise ConfigError(
                f"{document.place(('ablations', number))}: 'ablations[{number}].prompt_template' is {variant.prompt_template}, "
                f"expected 0 to {len(templates) - 1}: {variant.dataset} has {len(templates)} templates, counted from 0."
            )


def _load(kind: str, name: str, root: Path, place: str = "") -> Any:
    """The checked content of one file of the catalogue; `place` says in a message who asked for it."""
    _refuse_unknown(kind, name, root, place)
    document = _read(root / "config" / f"{kind}s" / f"{name}.yaml", root)
    if kind == "model":
        return _check(TypeAdapter(Model), document)
    dataset: Dataset = _check(TypeAdapter(Dataset), document)
    for number, model in enumerate(dataset.seen_by_models):
        # A misspelt name would pass results off as zero-shot that are not.
        _refuse_unknown("model", model, root, document.place(("seen_by_models", number)) + ": ")
    return dataset


def _refuse_unknown(kind: str, name: str, root: Path, place: str) -> None:
    known = sorted(path.stem for path in (root / "config" / f"{kind}s").glob("*.yaml"))
    if name not in known:
        listed = ", ".join(nearest_first(name, known)) or "none"
        raise ConfigError(
            f"{place}unknown {kind} '{name}'.{did_you_mean(name, known)} Known {kind}s, the nearest first: {listed}. "
            f"To add one, write config/{kind}s/{name}.yaml ({DOCS} lists its keys)."
        )


def _read(path: Path, root: Path) -> _Document:
    """The content of a YAML file, with the line of every key."""
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines = _lines(node, name)
        content = loader.construct_document(node) if node else None
    except OSError as error:
        raise ConfigError(
            f"{name}: cannot be read ({error.strerror}). Check the path; it is relative to the root."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{name}: found {found}, expected lines of the form 'key: value'. {DOCS} lists the keys.")
    return _Document(name, content, lines)


def _lines(node: yaml.Node | None, name: str, keys: Keys = ()) -> dict[Keys, int]:
    """The line of every key and list entry below `node`. A key written twice is refused: YAML would take the last."""
    lines: dict[Keys, int] = {}
    if isinstance(node, yaml.MappingNode):
        below = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        below = [(number, value, value) for number, value in enumerate(node.value)]
    else:
        return lines
    for key, start, value in below:
        path, line = (*keys, key), start.start_mark.line + 1
        if path in lines:
            raise ConfigError(f"{name}, line {line}: '{_dotted(path)}' is also on line {lines[path]}. Remove one.")
        lines |= {path: line, **_lines(value, name, path)}
    return lines


def _check(adapter: TypeAdapter, document: _Document) -> Any:
    """The settings as frozen objects; ConfigError with one line per mistake."""
    try:
        return adapter.validate_python(document.content)
    except ValidationError as error:
        raise ConfigError("\n".join(_message(mistake, document) for mistake in error.errors())) from None


def _message(mistake: Any, document: _Document) -> str:
    """One of pydantic's errors in our words."""
    keys, context = _written(mistake, document.content), mistake.get("ctx", {})
    inside = f" in '{_dotted(keys)}'" if keys else ""
    match mistake["type"]:
        case "unknown_keys":
            return "\n".join(_unknown_key(key, keys, context, document) for key in context["keys"])
        case "missing":
            inside = f" in '{_dotted(keys[:-1])}'" if keys[:-1] else ""
            return f"{document.place(keys)}: key '{keys[-1]}' is missing{inside}. Add it; {DOCS} says what it holds."
        case "union_tag_not_found":
            return f"{document.place(keys)}: key 'kind' is missing{inside}. Add it; {DOCS} lists the kinds."
        case "value_error":
            prefix = f"'{_dotted(keys)}': " if keys else ""
            return f"{document.place(keys)}: {prefix}{context['error']}"
    if mistake["type"] == "union_tag_invalid":
        keys = (*keys, "kind")
    return f"{document.place(keys)}: '{_dotted(keys)}': {_found_and_expected(mistake, context)}"


def _unknown_key(key: str, block: Keys, context: Mapping[str, Any], document: _Document) -> str:
    """Return the message for one unknown key of a block: its new name, the kind it belongs to, or the nearest legal one."""
    place, inside = document.place((*block, key)), f" in '{_dotted(block)}'" if block else ""
    if key in context["renamed"]:
        return f"{place}: key '{key}'{inside} is now called '{context['renamed'][key]}'. Rename it."
    legal = context["legal"]
    if key in context["kinds"]:
        kinds = " or ".join(f"'{kind}'" for kind in context["kinds"][key])
        return f"{place}: key '{key}'{inside} belongs to kind {kinds}. Change the kind or remove the key. Legal keys: {', '.join(legal)}."
    return f"{place}: unknown key '{key}'{inside}.{did_you_mean(key, legal)} Legal keys: {', '.join(legal)}."


def _found_and_expected(mistake: Any, context: dict[str, Any]) -> str:
    found = context.get("tag", mistake["input"])
    shown = "nothing" if found is None else repr(found)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    match mistake["type"]:
        case "literal_error" | "union_tag_invalid":
            legal = re.findall("'([^']*)'", context.get("expected") or context["expected_tags"])
            return f"found {shown}, expected {' or '.join(legal)}.{did_you_mean(found, legal)}"
        case "string_pattern_mismatch":
            return f"found {shown}, expected {PATTERN_MEANINGS[context['pattern']]}."
        case "string_type" if found is not None:
            return f"found {shown}, expected text. Put it in quotes."
        case "model_type" | "model_attributes_type":
            return f"found {shown}, expected a block of keys. {DOCS} lists them."
        case "list_type":
            return f"found {shown}, expected a list. Write e.g. [{found}]."
        case "too_short":
            return f"found {shown}, expected at least {context['min_length']} entry."
    expected = re.sub(r"^\w+ should (be|have) (an? (valid )?)?", "", mistake["msg"])
    return f"found {shown}, expected {expected}. {DOCS} says what it holds."


def _written(mistake: Any, content: Any) -> Keys:
    """The keys as the user wrote them: pydantic's location also holds the kind of each block that has one."""
    keys: Keys = ()
    kinds: set[Keys] = set()  # the locations that end with a kind: the key after it may have the same name
    for number, key in enumerate(location := mistake["loc"]):
        is_missing = mistake["type"] == "missing" and number == len(location) - 1
        is_kind = isinstance(content, Mapping) and location[:number] not in kinds and key == content.get("kind")
        if is_kind or (isinstance(content, Mapping) and key not in content and not is_missing):
            kinds.add(location[: number + 1])
            continue
        keys += (key,)
        content = None if is_missing else content[key]
    return keys


def _dotted(keys: Keys) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
