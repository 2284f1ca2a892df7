"""Which corrections of the plugin fit its installed version, and what a run cannot promise without the others."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

PLUGIN = "snakemake-executor-plugin-slurm"
MODULE = "snakemake_executor_plugin_slurm"
SUPPORTED = "2.8.0"


@dataclass(frozen=True)
class Patch:
    """A correction of the plugin."""

    fault: str  # what the plugin does without it
    upstream: str  # the issue that reports it
    promise: str  # what a run cannot promise without it
    names: tuple[str, ...]  # names of the plugin that it uses
    versions: frozenset[str] = frozenset(["2.8"])  # minor versions that it was checked with

    def fits(self, found: str) -> bool:
        """Return whether the patch was checked with a version of the plugin."""
        return ".".join(found.split(".")[:2]) in self.versions


def split_patches(patches: Sequence[Patch], found: str | None = None) -> tuple[list[Patch], list[Patch]]:
    """Return the patches that fit the installed plugin, and those that do not.

    Parameters
    ----------
    patches
        The patches to sort.
    found
        A version of the plugin; by default the installed one.
    """
    plugin = importlib.import_module(MODULE)
    found = found or version(PLUGIN)
    fitting: list[Patch] = []
    others: list[Patch] = []
    for patch in patches:
        complete = all(_has(plugin, name) for name in patch.names)
        (fitting if patch.fits(found) and complete else others).append(patch)
    return fitting, others


def _has(owner: Any, name: str) -> bool:
    """Return whether a dotted name exists."""
    first, _, rest = name.partition(".")
    return hasattr(owner, first) and (not rest or _has(getattr(owner, first), rest))


def lost_promises(patches: Sequence[Patch], found: str | None = None) -> str | None:
    """Return a message about patches that are not applied; None without any."""
    if not patches:
        return None
    lost = " ".join(
        f"({k}) {patch.promise} (the plugin {patch.fault}, {patch.upstream})." for k, patch in enumerate(patches, 1)
    )
    return (
        f"found {PLUGIN} {found or version(PLUGIN)}; diffzero corrects faults of {SUPPORTED} and was not checked with this version. "
        f"The run goes on without these corrections and cannot promise that: {lost} Expected: pip install '{PLUGIN}=={SUPPORTED}'"
    )
