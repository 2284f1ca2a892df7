"""Kinds of sources of test images. A kind is a subclass of Source in a module of this package; `docs/extending.md` says how to add one."""

from collections.abc import Mapping
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Union, get_args

from pydantic import Field

from diffzero.data.sources.base import Source

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def _concrete_subclasses(base: type[Source]) -> list[type[Source]]:
    below = [kind for child in base.__subclasses__() for kind in _concrete_subclasses(child)]
    return below if isabstract(base) else [base, *below]


def _name_of(source: type[Source]) -> str:
    (name,) = get_args(source.model_fields["kind"].annotation)
    return str(name)


SOURCES: Mapping[str, type[Source]] = {
    _name_of(source): source
    for source in sorted(_concrete_subclasses(Source), key=_name_of)  # type: ignore[type-abstract]  # it returns no abstract class
}
# The type of the configuration key `source`, for type checkers the base class.
if TYPE_CHECKING:
    AnySource = Source
else:
    AnySource = Annotated[Union[tuple(SOURCES.values())], Field(discriminator="kind")]  # noqa: UP007
