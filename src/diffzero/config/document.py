"""Read a configuration file and remember the line of each key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from diffzero.config.base import ConfigError

DOCS = "docs/configuration.md"
Keys = tuple[str | int, ...]  # the path to a value: keys of blocks and numbers of list entries
# Use libyaml if it is available: the ImageNet file has 1000 names, and every job of a workflow reads the configuration again.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """Settings before they are checked, with their name in messages."""

    name: str
    content: Mapping[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)
    scalars: dict[Keys, str] = field(default_factory=dict)
    """From a file: the text of each value without quotes that YAML reads as something else, e.g. `no` or `007`."""

    def place(self, keys: Keys) -> str:
        """Return `file` or `file, line n`: where these keys are written, or else the block that lacks them."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.name}, line {self.lines[keys]}" if keys else self.name


def read_document(path: Path, root: Path) -> Document:
    """Read a YAML file; messages show its path relative to `root`. Raises ConfigError."""
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines = _find_lines(node, name)
        scalars = _find_scalars(node)
        content = loader.construct_document(node) if node else None
    except OSError as error:
        raise ConfigError(
            f"{name}: cannot be read ({error.strerror}). Check the path; it is relative to the root of the repository."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{name}: found {found}, expected lines of the form 'key: value'. {DOCS} lists the keys.")
    return Document(name, content, lines, scalars)


def _find_lines(node: yaml.Node | None, name: str, keys: Keys = ()) -> dict[Keys, int]:
    """Return the line of every key and list entry below `node`. Refuse a repeated key: YAML would use the last one."""
    lines: dict[Keys, int] = {}
    for key, start, value in _children(node):
        path, line = (*keys, key), start.start_mark.line + 1
        if path in lines:
            raise ConfigError(f"{name}, line {line}: '{dotted(path)}' is also on line {lines[path]}. Remove one.")
        lines |= {path: line, **_find_lines(value, name, path)}
    return lines


def _find_scalars(node: yaml.Node | None, keys: Keys = ()) -> dict[Keys, str]:
    """Return the text of every value without quotes below `node` that YAML does not read as text."""
    if isinstance(node, yaml.ScalarNode):
        return {} if node.tag == "tag:yaml.org,2002:str" else {keys: node.value}
    found: dict[Keys, str] = {}
    for key, _, value in _children(node):
        found |= _find_scalars(value, (*keys, key))
    return found


def _children(node: yaml.Node | None) -> list[tuple[str | int, yaml.Node, yaml.Node]]:
    """Return key or number, the node with the line, and the node of the value for each entry of a block or list."""
    if isinstance(node, yaml.MappingNode):
        return [(key.value, key, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(number, value, value) for number, value in enumerate(node.value)]
    return []


def dotted(keys: Keys) -> str:
    """Return keys as users write them, e.g. `policy.stages[0].draws`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
