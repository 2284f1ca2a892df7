"""Turn the errors of pydantic into messages: where, what was found, what is expected, what to write."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from diffzero.config.base import did_you_mean
from diffzero.config.document import DOCS, Document
from diffzero.config.yaml_text import Keys, dotted
from diffzero.utils.fields import PATTERN_MEANINGS


def format_errors(errors: list[ErrorDetails], document: Document) -> list[str]:
    """Return one line per mistake."""
    found = [(_written_keys(error, document.content), error) for error in errors]
    # A value of several kinds has one error per kind; those inside the value say what is wrong with it.
    deepest = [(keys, error) for keys, error in found if not any(_is_below(other, keys) for other, _ in found)]
    by_keys: dict[Keys, list[ErrorDetails]] = {}
    for keys, error in deepest:
        by_keys.setdefault(keys, []).append(error)
    lines = [line for keys, group in by_keys.items() for line in _format_group(keys, group, document)]
    return [_escape(line) for line in lines]


def _is_below(keys: Keys, block: Keys) -> bool:
    return len(keys) > len(block) and keys[: len(block)] == block


def _escape(line: str) -> str:
    """Return the text on one line, whatever characters the configuration holds."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)


def _format_group(keys: Keys, errors: list[ErrorDetails], document: Document) -> list[str]:
    """Return the messages about one value or block."""
    texts = [error for error in errors if error["type"] in ("literal_error", "int_type", "dict_type")]
    if len(errors) > 1 and texts:  # one error per kind of value that is allowed
        expected = " or ".join(dict.fromkeys(_expected(error, error.get("ctx", {})) for error in errors))
        return [f"{document.place(keys)}: '{dotted(keys)}': found {_show(errors[0])}, expected {expected}."]
    return [line for error in errors for line in _format_error(keys, error, document)]


def _format_error(keys: Keys, error: ErrorDetails, document: Document) -> list[str]:
    """Return the messages for one error of pydantic."""
    context = error.get("ctx", {})
    inside = f" in '{dotted(keys)}'" if keys else ""
    match error["type"]:
        case "unknown_keys":
            return [_unknown_key(key, keys, context, document) for key in context["keys"]]
        case "missing":
            inside = f" in '{dotted(keys[:-1])}'" if keys[:-1] else ""
            return [f"{document.place(keys)}: key '{keys[-1]}' is missing{inside}. Add it; {DOCS} describes it."]
        case "union_tag_not_found":
            return [f"{document.place(keys)}: key 'kind' is missing{inside}. Add it; {DOCS} lists the kinds."]
        case "value_error":
            prefix = f"'{dotted(keys)}': " if keys else ""
            return [f"{_place_of_mention(str(context['error']), keys, document)}: {prefix}{context['error']}"]
    if error["type"] == "union_tag_invalid":
        keys = (*keys, "kind")
    if error["type"] == "string_type" and keys in document.scalars:
        return [f"{document.place(keys)}: '{dotted(keys)}': {_unquoted(document.scalars[keys], error['input'])}"]
    return [f"{document.place(keys)}: '{dotted(keys)}': {_found_and_expected(error, context)}"]


def _place_of_mention(message: str, block: Keys, document: Document) -> str:
    """Return the place of the first key in quotes that the message mentions and the block holds, else that of the block."""
    for name in re.findall(r"'([\w.]+)'", message):
        keys = (*block, *name.split("."))
        if keys in document.places:
            return document.places[keys]
    return document.place(block)


def _unquoted(text: str, value: object) -> str:
    """Return the message for text that YAML reads as something else."""
    if not text:
        return "found nothing, expected text. Write the text, or remove the entry."
    shown = "nothing" if value is None else str(value)
    return f"found {shown}, expected text. Put it in quotes: '{text}' (without them, YAML reads {text} as {shown})."


def _unknown_key(key: str, block: Keys, context: Mapping[str, Any], document: Document) -> str:
    """Return the message for one unknown key of a block: its new name, the kind it belongs to, or the nearest legal one."""
    place, inside = document.place((*block, key)), f" in '{dotted(block)}'" if block else ""
    if key in context["renamed"]:
        return f"{place}: key '{key}'{inside} is now called '{context['renamed'][key]}'. Rename it."
    legal = context["legal"]
    if key in context["kinds"]:
        kinds = " or ".join(f"'{kind}'" for kind in context["kinds"][key])
        return (
            f"{place}: key '{key}'{inside} belongs to kind {kinds}. Change the kind or remove the key. "
            f"Legal keys: {', '.join(legal)}."
        )
    return f"{place}: unknown key '{key}'{inside}.{did_you_mean(key, legal)} Legal keys: {', '.join(legal)}."


def _show(error: ErrorDetails) -> str:
    """Return the value that was found."""
    found = error.get("ctx", {}).get("tag", error["input"])
    shown = "nothing" if found is None else repr(found)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _found_and_expected(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Return the value that was found and what is expected instead."""
    shown, expected = _show(error), _expected(error, context)
    match error["type"]:
        case "literal_error" | "union_tag_invalid":
            return f"found {shown}, expected {expected}.{did_you_mean(context.get('tag', error['input']), _legal(context))}"
        case "string_type" if error["input"] is not None:
            return f"found {shown}, expected text. Put it in quotes."
        case "model_type" | "model_attributes_type":
            return f"found {shown}, expected a block of keys. {DOCS} lists them."
        case "list_type":
            return f"found {shown}, expected a list. Write e.g. [{shown.strip(chr(39))}]."
        case "string_pattern_mismatch" | "too_short":
            return f"found {shown}, expected {expected}."
    return f"found {shown}, expected {expected}. {DOCS} describes the key."


def _legal(context: Mapping[str, Any]) -> list[str]:
    return re.findall("'([^']*)'", context.get("expected") or context["expected_tags"])


def _expected(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Return what is expected instead of the value that was found."""
    match error["type"]:
        case "literal_error" | "union_tag_invalid":
            return " or ".join(_legal(context))
        case "string_pattern_mismatch":
            return PATTERN_MEANINGS[context["pattern"]]
        case "too_short":
            return f"at least {context['min_length']} entry"
        case "dict_type":
            return "a block of keys"
    return re.sub(r"^\w+ should (be|have) (an? (valid )?)?", "", error["msg"])


def _written_keys(error: ErrorDetails, content: Any) -> Keys:
    """Return the keys as the user wrote them.

    Pydantic's location also holds the kind of each block that has one, and the names of the types that a value may have.
    """
    keys: Keys = ()
    kinds: set[Keys] = set()  # the locations that end with a kind: the key after it may have the same name
    for number, key in enumerate(location := error["loc"]):
        if error["type"] == "missing" and number == len(location) - 1:
            return (*keys, key)
        if isinstance(content, Mapping):
            is_kind = location[:number] not in kinds and key == content.get("kind")
            if is_kind or key not in content:
                kinds.add(location[: number + 1])
                continue
        elif not (isinstance(content, list | tuple) and isinstance(key, int) and key < len(content)):
            continue
        keys += (key,)
        content = content[key]
    return keys
