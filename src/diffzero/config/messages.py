"""Turn the errors of pydantic into messages: where, what was found, what is expected, what to write."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from diffzero.config.base import did_you_mean
from diffzero.config.document import DOCS, Document, Keys, dotted
from diffzero.utils.fields import PATTERN_MEANINGS


def format_error(error: ErrorDetails, document: Document) -> str:
    """Return the message for one error of pydantic."""
    keys, context = _written_keys(error, document.content), error.get("ctx", {})
    inside = f" in '{dotted(keys)}'" if keys else ""
    match error["type"]:
        case "unknown_keys":
            return "\n".join(_unknown_key(key, keys, context, document) for key in context["keys"])
        case "missing":
            inside = f" in '{dotted(keys[:-1])}'" if keys[:-1] else ""
            return f"{document.place(keys)}: key '{keys[-1]}' is missing{inside}. Add it; {DOCS} describes it."
        case "union_tag_not_found":
            return f"{document.place(keys)}: key 'kind' is missing{inside}. Add it; {DOCS} lists the kinds."
        case "value_error":
            prefix = f"'{dotted(keys)}': " if keys else ""
            return f"{document.place(keys)}: {prefix}{context['error']}"
    if error["type"] == "union_tag_invalid":
        keys = (*keys, "kind")
    if error["type"] == "string_type" and keys in document.scalars:
        return f"{document.place(keys)}: '{dotted(keys)}': {_unquoted(document.scalars[keys], error['input'])}"
    return f"{document.place(keys)}: '{dotted(keys)}': {_found_and_expected(error, context)}"


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


def _found_and_expected(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Return the value that was found and what is expected instead."""
    found = context.get("tag", error["input"])
    shown = "nothing" if found is None else repr(found)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    match error["type"]:
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
    expected = re.sub(r"^\w+ should (be|have) (an? (valid )?)?", "", error["msg"])
    return f"found {shown}, expected {expected}. {DOCS} describes the key."


def _written_keys(error: ErrorDetails, content: Any) -> Keys:
    """Return the keys as the user wrote them. Pydantic's location also holds the kind of each block that has one."""
    keys: Keys = ()
    kinds: set[Keys] = set()  # the locations that end with a kind: the key after it may have the same name
    for number, key in enumerate(location := error["loc"]):
        is_missing = error["type"] == "missing" and number == len(location) - 1
        is_kind = isinstance(content, Mapping) and location[:number] not in kinds and key == content.get("kind")
        if is_kind or (isinstance(content, Mapping) and key not in content and not is_missing):
            kinds.add(location[: number + 1])
            continue
        keys += (key,)
        content = None if is_missing else content[key]
    return keys
