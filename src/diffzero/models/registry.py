"""The model families.

A family is a subclass of `Denoiser` with a `PIPELINE`, defined in a module of `diffzero.models.families`. A new module there is
found automatically; there is no other list of families. Importing the families does not import PyTorch.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterable

from diffzero.models import families as families_package
from diffzero.models.base import Denoiser


@functools.cache
def families() -> dict[str, type[Denoiser]]:
    """Return the adapter of each supported diffusers pipeline, by the pipeline's class name.

    Raises
    ------
    ValueError
        If two adapters name the same pipeline.
    """
    found: dict[str, type[Denoiser]] = {}
    for module_info in pkgutil.iter_modules(families_package.__path__, f"{families_package.__name__}."):
        module = importlib.import_module(module_info.name)
        for adapter in vars(module).values():
            # A class that the module imports, or that inherits its PIPELINE, is no family of this module.
            if not (isinstance(adapter, type) and issubclass(adapter, Denoiser)):
                continue
            if adapter.__module__ == module.__name__ and "PIPELINE" in vars(adapter):
                other = found.setdefault(adapter.PIPELINE, adapter)
                if other is not adapter:
                    raise ValueError(
                        f"{adapter.PIPELINE}: found two adapters, {other.__module__}.{other.__name__} and "
                        f"{adapter.__module__}.{adapter.__name__}, expected one. Delete one of them, or its PIPELINE."
                    )
    return found


@functools.cache
def checkpoint_folders() -> tuple[str, ...]:
    """Return the sub-folders of a checkpoint that any family reads."""
    return _unique(subfolder for family in families().values() for subfolder in family.folders())


@functools.cache
def network_folders() -> tuple[str, ...]:
    """Return the sub-folders that hold the denoising network."""
    return _unique(family.NETWORK for family in families().values())


@functools.cache
def weight_folders() -> tuple[str, ...]:
    """Return the sub-folders that hold weights: all but tokenizers and schedulers."""
    return _unique(subfolder for family in families().values() for subfolder in family.weight_folders())


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
