"""The error of a configuration, and suggestions for misspelt names."""

from collections.abc import Iterable
from difflib import SequenceMatcher


class ConfigError(ValueError):
    """The configuration is invalid. The message says where, what was found and what is expected."""


def nearest_first(name: object, legal: Iterable[str]) -> list[str]:
    """Return the legal names, the most similar to `name` first."""
    return sorted(legal, key=lambda other: -SequenceMatcher(None, str(name).lower(), other.lower()).ratio())


def did_you_mean(name: object, legal: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` with the most similar legal name, or an empty string if none is similar."""
    nearest = nearest_first(name, legal)[:1]
    near = [other for other in nearest if SequenceMatcher(None, str(name).lower(), other.lower()).ratio() >= 0.5]
    return f" Did you mean '{near[0]}'?" if near else ""
