"""What every block of the configuration has in common."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

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


class FrozenModel(BaseModel):
    """A block of keys: no others, no guessed types (`"20"` is not 20), no change after loading."""

    # The string below each field is the meaning of its key in the schema and in the documentation.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    # The keys of the block that were renamed, each with its new name.
    renamed_keys: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, block: object) -> object:
        """Return the block. Pydantic's own error for an extra key does not name the legal keys."""
        unknown = [key for key in block if key not in cls.model_fields] if isinstance(block, Mapping) else []
        if unknown:
            context = {"keys": unknown, "legal": list(cls.model_fields), "renamed": dict(cls.renamed_keys)}
            raise PydanticCustomError("unknown_keys", "{keys}", context)
        return block


def nearest_first(name: object, legal: Iterable[str]) -> list[str]:
    """The legal names, the most similar to `name` first."""
    return sorted(legal, key=lambda other: -SequenceMatcher(None, str(name).lower(), other.lower()).ratio())


def did_you_mean(name: object, legal: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest legal name, after a space; nothing where none comes near."""
    nearest = nearest_first(name, legal)[:1]
    near = [other for other in nearest if SequenceMatcher(None, str(name).lower(), other.lower()).ratio() >= 0.5]
    return f" Did you mean '{near[0]}'?" if near else ""
