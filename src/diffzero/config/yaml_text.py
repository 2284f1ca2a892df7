"""Read YAML into plain values and remember where each one is written."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from diffzero.config.base import ConfigError

Keys = tuple[str | int, ...]  # the way to a value: keys of blocks and numbers of list entries
# Use libyaml if it is available: the ImageNet file has 1000 names, and every job of a workflow reads the configuration again.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE, _TEXT = f"{_TAG}merge", f"{_TAG}str"
_PLAIN = (f"{_TAG}map", f"{_TAG}seq")
_CONTROL_CHARACTER = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_VALUES = 200_000  # aliases of aliases can make a small file expand to billions of values


def dotted(keys: Keys) -> str:
    """Return keys as users write them, e.g. `policy.stages[0].draws`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


@dataclass
class YamlValues:
    """The value of a YAML text, and where its parts are written."""

    content: Any = None
    places: dict[Keys, str] = field(default_factory=dict)
    """Of every key and list entry: `file, line n`."""
    scalars: dict[Keys, str] = field(default_factory=dict)
    """The text of each value without quotes that YAML reads as something else, e.g. `no` or `007`."""


def read_yaml(text: str, name: str, keys: Keys = (), has_lines: bool = True) -> YamlValues:
    """Read one YAML document.

    Anchors, aliases and merge keys (`<<`) are allowed. Repeated keys, keys that are not text and tags are refused: YAML would use the
    last key, and read `no: 1` as false.

    Parameters
    ----------
    text
        The YAML text.
    name
        Its name in messages.
    keys
        The keys under which the value belongs.
    has_lines
        Whether messages give the line; one value on the command line has none.

    Raises
    ------
    ConfigError
        With the name, the line and the key.
    """

    def place(line: int) -> str:
        return f"{name}, line {line + 1}" if has_lines else name

    if wrong := _CONTROL_CHARACTER.search(text):
        line = text.count("\n", 0, wrong.start())
        raise ConfigError(f"{place(line)}: found the control character U+{ord(wrong[0]):04X}. Remove it.")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_describe_syntax_error(error, text, place)) from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply.") from None
    reader = _Reader(loader, place)
    if node is not None:
        reader.values.content = reader.read(node, keys, ())
    return reader.values


def _describe_syntax_error(error: yaml.MarkedYAMLError, text: str, place: Callable[[int], str]) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.split("\n")
    while line and not "".join(lines[line : line + 1]).strip():  # at the end of the file: its last line with text
        line -= 1
    problem = error.problem or "found something that cannot be read"
    if error.context and error.context_mark and error.context_mark.line != line:
        problem += f" ({error.context} from line {error.context_mark.line + 1})"
    hint = (
        " Indent with spaces: YAML refuses tabs."
        if "\t" in lines[line]
        else " Check brackets, quotes, colons and indentation."
    )
    return f"{place(line)}: is not YAML: {problem}.{hint}"


class _Reader:
    """Turns nodes of YAML into values."""

    def __init__(self, loader: Any, place: Callable[[int], str]) -> None:
        self.loader, self.place_of_line = loader, place
        self.values, self.count = YamlValues(), 0

    def place(self, node: yaml.Node) -> str:
        return self.place_of_line(node.start_mark.line)

    def read(self, node: yaml.Node, keys: Keys, ancestors: tuple[yaml.Node, ...]) -> Any:
        """Return the value of a node."""
        self.count += 1
        if self.count > _MAX_VALUES:
            raise ConfigError(
                f"{self.place(node)}: the aliases expand to more than {_MAX_VALUES:,} values. Write them out."
            )
        if any(node is other for other in ancestors):
            raise ConfigError(
                f"{self.place(node)}: '{dotted(keys)}' is an alias of a block that contains it. Write the value."
            )
        self.values.places.setdefault(keys, self.place(node))
        if isinstance(node, yaml.ScalarNode):
            return self.read_scalar(node, keys)
        if node.tag not in _PLAIN:
            tag = node.tag.replace(_TAG, "!!")
            raise ConfigError(f"{self.place(node)}: '{dotted(keys)}': found the tag {tag}, expected none. Remove it.")
        ancestors = (*ancestors, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*keys, number), ancestors) for number, child in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        return self.read_block(node, keys, ancestors)

    def read_scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        """Return text, a number, a date, true, false or nothing."""
        if node.tag != _TEXT:
            self.values.scalars[keys] = node.value
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
            kind = node.tag.replace(_TAG, "!!")
            shown = node.value if len(node.value) <= 60 else node.value[:57] + "..."
            raise ConfigError(
                f"{self.place(node)}: '{dotted(keys)}': found {shown!r}, which cannot be read as {kind}. Put text in quotes."
            ) from None

    def read_block(self, node: yaml.MappingNode, keys: Keys, ancestors: tuple[yaml.Node, ...]) -> dict[str, Any]:
        """Return a block; its own keys replace those that it merges with `<<`."""
        block: dict[str, Any] = {}
        first: dict[str, yaml.Node] = {}
        merged = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += self.list_merged(value, keys)
                continue
            name = self.read_key(key, keys)
            if name in first:
                line = first[name].start_mark.line + 1
                raise ConfigError(f"{self.place(key)}: '{dotted((*keys, name))}' is also on line {line}. Remove one.")
            first[name] = key
            self.values.places[(*keys, name)] = self.place(key)
            block[name] = self.read(value, (*keys, name), ancestors)
        for other in merged:
            if any(other is node for node in ancestors):
                raise ConfigError(f"{self.place(other)}: the block merges itself with '<<'. Remove it.")
            inner = _Reader(self.loader, self.place_of_line)
            content = inner.read_block(other, keys, (*ancestors, other))
            self.count += inner.count
            for name in content.keys() - block.keys():
                block[name] = content[name]
                self.take_over(inner.values, (*keys, name))
        return block

    def take_over(self, values: YamlValues, keys: Keys) -> None:
        """Remember the places and scalars of a merged value."""
        for mine, other in ((self.values.places, values.places), (self.values.scalars, values.scalars)):
            mine.update({path: found for path, found in other.items() if path[: len(keys)] == keys})

    def list_merged(self, value: yaml.Node, keys: Keys) -> list[yaml.MappingNode]:
        """Return the blocks that `<<` names, the first the most important."""
        blocks = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for block in blocks:
            if not isinstance(block, yaml.MappingNode):
                raise ConfigError(
                    f"{self.place(block)}: '{dotted((*keys, '<<'))}': expected the alias of a block, e.g. `<<: *name`."
                )
        return list(blocks)

    def read_key(self, key: yaml.Node, keys: Keys) -> str:
        """Return a key, which must be text: YAML reads `no` as false and `1_0` as ten."""
        if not isinstance(key, yaml.ScalarNode):
            inside = f" in '{dotted(keys)}'" if keys else ""
            raise ConfigError(f"{self.place(key)}: found a list or block as a key{inside}, expected text.")
        if key.tag != _TEXT:
            raise ConfigError(
                f"{self.place(key)}: found the key {key.value!r} without quotes, which YAML does not read as text. "
                f"Write '{dotted((*keys, key.value))}' with the key in quotes."
            )
        return str(key.value)
