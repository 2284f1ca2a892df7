"""Base classes of configuration blocks: typed, closed and frozen."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from diffzero.utils.fields import PATTERN_MEANINGS, SLUG


class FrozenModel(BaseModel):
    """A configuration block: refuses unknown keys, converts no types (`"20"` is not 20), cannot change after loading."""

    # The string below each field is the meaning of its key in the schema and in the documentation.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    # The keys of the block that were renamed, each with its new name.
    renamed_keys: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, block: object) -> object:
        """Refuse unknown keys here, because pydantic's own error for an extra key does not name the legal ones."""
        unknown = [key for key in block if key not in cls.model_fields] if isinstance(block, Mapping) else []
        if unknown:
            context = {"keys": unknown, "legal": list(cls.model_fields), "renamed": dict(cls.renamed_keys)}
            context["kinds"] = {key: kinds for key in unknown if (kinds := cls._kinds_with(key))}
            raise PydanticCustomError("unknown_keys", "{keys}", context)
        return block

    @classmethod
    def _kinds_with(cls, key: str) -> list[str]:
        """Return the other kinds of this block that have the key."""
        return []


class KindModel(FrozenModel):
    """A block of which there are several kinds, told apart by the key `kind`.

    A subclass declares `kind` as a Literal with its name as the default. Its configuration keys are its other fields.
    """

    kind: str = ""  # every kind overrides it

    @property
    def slug(self) -> str:
        """The block as part of a path: its kind and the values of its keys, e.g. `heuristic-7`."""
        values = [value for name, value in self if name != "kind"]
        return "-".join([self.kind, *(f"{value:g}" if isinstance(value, float) else str(value) for value in values)])

    @model_validator(mode="after")
    def _check_slug(self) -> Self:
        if not re.fullmatch(SLUG, self.slug):
            raise ValueError(
                f"'{self.slug}' becomes part of paths, where only {PATTERN_MEANINGS[SLUG]} are allowed. "
                f"Rename the kind or override `slug` in {type(self).__module__}."
            )
        return self

    @classmethod
    def _kinds_with(cls, key: str) -> list[str]:
        base = next(parent for parent in cls.__mro__ if KindModel in parent.__bases__)
        others = [kind for kind in _subclasses(base) if key in kind.model_fields]
        return [kind.model_fields["kind"].default for kind in others]


def _subclasses(model: type[KindModel]) -> list[type[KindModel]]:
    direct = model.__subclasses__()
    return [*direct, *(other for child in direct for other in _subclasses(child))]


def default_kind(kind: str) -> BeforeValidator:
    """Return the validator of a union of kinds that adds `kind` to a block without one."""
    return BeforeValidator(
        lambda block: {"kind": kind, **block} if isinstance(block, Mapping) and "kind" not in block else block
    )


def any_of(schema: JsonDict) -> None:
    """Replace `oneOf` in the JSON schema of a union with a default kind: a block without `kind` may match several kinds."""
    schema["anyOf"] = schema.pop("oneOf")


def kinds_of(union: object) -> dict[str, Any]:
    """Return the classes of an annotated union of KindModels, keyed by kind."""
    return {member.model_fields["kind"].default: member for member in get_args(get_args(union)[0])}
