"""The error of a configuration, and suggestions for misspelt names."""

from collections.abc import Iterable
from difflib import SequenceMatcher


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the file and key, what was found and what is expected."""


def nearest_first(name: object, legal: Iterable[str]) -> list[str]:
    """The legal names, the most similar to `name` first."""
    return sorted(legal, key=lambda other: -SequenceMatcher(None, str(name).lower(), other.lower()).ratio())


def did_you_mean(name: object, legal: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest legal name, after a space; nothing where none comes near."""
    nearest = nearest_first(name, legal)[:1]
    near = [other for other in nearest if SequenceMatcher(None, str(name).lower(), other.lower()).ratio() >= 0.5]
    return f" Did you mean '{near[0]}'?" if near else ""
