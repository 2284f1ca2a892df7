"""What every block of the configuration has in common."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Annotated

from pydantic import Field

RUN_NAME, COMMIT, REPOSITORY = r"^[a-z0-9-]+$", r"^[0-9a-f]{40}$", r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"
DEVICE = r"^(auto|cpu|cuda(:[0-9]+)?)$"
DIGEST, ADDRESS = r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$", r"^https?://[^\s]+$"
# How an error message puts each pattern.
IN_WORDS = {
    RUN_NAME: "lower-case letters, digits and hyphens",
    COMMIT: "the 40 hexadecimal digits of a commit (a branch or a tag may move)",
    REPOSITORY: "owner/name",
    DEVICE: "auto, cpu, cuda or cuda:N",
    DIGEST: "sha256: or md5: and its hexadecimal digits",
    ADDRESS: "an address that starts with http:// or https://",
}

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Commit = Annotated[str, Field(pattern=COMMIT)]
Repository = Annotated[str, Field(pattern=REPOSITORY)]
Digest = Annotated[str, Field(pattern=DIGEST)]
Address = Annotated[str, Field(pattern=ADDRESS)]


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
