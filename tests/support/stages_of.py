"""Policies of fixed stages from plain numbers."""

from collections.abc import Sequence

from diffzero.pruning.policies import FixedStages, Stage


def fixed_stages(draws: Sequence[int], keep: Sequence[int]) -> FixedStages:
    """Return the policy that keeps `keep[i]` classes after `draws[i]` draws."""
    return FixedStages(stages=tuple(Stage(draws=n, keep=k) for n, k in zip(draws, keep, strict=True)))
