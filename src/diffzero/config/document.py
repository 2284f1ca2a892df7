"""Settings before they are checked: from files and from the command line, each value with the place where it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffzero.config.base import ConfigError
from diffzero.config.yaml_text import Keys, read_yaml

DOCS = "docs/configuration.md"


@dataclass(frozen=True)
class Document:
    """Settings before they are checked, with their name in messages."""

    name: str
    content: Mapping[str, Any]
    places: dict[Keys, str] = field(default_factory=dict)
    """Where each value is written, e.g. `config/demo.yaml, line 3` or `--config max_images=64`."""
    scalars: dict[Keys, str] = field(default_factory=dict)
    """The text of each value without quotes that YAML reads as something else, e.g. `no` or `007`."""

    def place(self, keys: Keys) -> str:
        """Return where these keys are written, or else the block that lacks them."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places[keys] if keys else self.name


def read_document(path: Path, root: Path) -> Document:
    """Read a YAML file; messages show its path relative to `root`. Raises ConfigError."""
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError(
            f"{name}: cannot be read ({error.strerror}). Check the path; it is relative to the root of the repository."
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}, line {line}: found the byte 0x{data[error.start]:02x}, which is not UTF-8. Save the file as UTF-8."
        ) from None
    values = read_yaml(text, name)
    if not isinstance(values.content, dict):
        found = "nothing" if values.content is None else f"a {type(values.content).__name__}"
        place = values.places.get((), name)
        raise ConfigError(f"{place}: found {found}, expected lines of the form 'key: value'. {DOCS} lists the keys.")
    del values.places[()]
    return Document(name, values.content, values.places, values.scalars)


def read_override(entry: str) -> Document:
    """Read one KEY=VALUE of `--config`; the value is YAML. Raises ConfigError."""
    key, equals, text = entry.partition("=")
    if not equals or not key:
        raise ConfigError(f"--config: found '{entry}', expected KEY=VALUE, e.g. --config max_images=64.")
    values = read_yaml(text, f"--config {entry}", (key,), has_lines=False)
    return Document(
        f"--config {entry}", {key: values.content}, {(key,): f"--config {entry}", **values.places}, values.scalars
    )


def merge_documents(documents: Sequence[Document]) -> Document:
    """Return the settings of several documents as Snakemake merges them: later values replace earlier ones, blocks are merged."""
    name = ", ".join(document.name for document in documents)
    content: dict[str, Any] = {}
    places: dict[Keys, str] = {}
    scalars: dict[Keys, str] = {}
    for document in documents:
        replaced = _merge(content, document.content)
        for found in (places, scalars):
            for keys in [keys for keys in found if any(keys[: len(other)] == other for other in replaced)]:
                del found[keys]
        places |= document.places
        scalars |= document.scalars
    return Document(name, content, places, scalars)


def _merge(content: dict[str, Any], update: Mapping[str, Any], keys: Keys = ()) -> list[Keys]:
    """Merge `update` into `content`, which is changed; return the keys of the values that were replaced as a whole."""
    replaced: list[Keys] = []
    for key, value in update.items():
        if isinstance(value, Mapping):
            inner = content.get(key)
            if not isinstance(inner, dict):
                replaced.append((*keys, key))
                inner = content[key] = {}
            replaced += _merge(inner, value, (*keys, key))
        else:
            replaced.append((*keys, key))
            content[key] = value
    return replaced
