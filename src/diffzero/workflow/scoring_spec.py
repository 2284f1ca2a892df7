"""Describe one set of scores: its model, data set, seed and policy, and the params of its scoring job."""

from dataclasses import dataclass
from typing import TypedDict

from diffzero.diffusion.weighting import Weighting
from diffzero.pruning.policies import Policy


class ScoringParams(TypedDict):
    """The settings of a scoring job as plain values, for the params of a rule."""

    policy: dict[str, object]
    weighting: dict[str, object] | None
    unshared: bool
    n_images: int | None
    noise_dataset: str


@dataclass(frozen=True)
class Scoring:
    """One set of scores: a model on a data set under a policy.

    Attributes
    ----------
    weighting
        The weighting of the scores by which classes are dropped. None for a policy that drops no class: its scores are the same
        under every weighting.
    unshared
        Whether each class has draws of its own.
    n_images
        How many of the first selected images are scored; None: all.
    noise_dataset
        The data set whose draws are used, if not `dataset`. An ablation uses those of its plain data set.
    """

    model: str
    dataset: str
    seed: int
    policy: Policy
    weighting: Weighting | None
    unshared: bool = False
    n_images: int | None = None
    noise_dataset: str | None = None

    @property
    def slug(self) -> str:
        """The part of a path that differs between scorings of one model, data set and seed: wildcard `race`."""
        scope = "" if self.n_images is None else f"first{self.n_images}-"
        weighting = "" if self.weighting is None else f"-{self.weighting.slug}"
        return f"{scope}{'unshared' if self.unshared else 'shared'}-{self.policy.slug}{weighting}"

    def to_params(self) -> ScoringParams:
        """Return the settings of a scoring job as plain values."""
        return {
            "policy": self.policy.model_dump(mode="json"),
            "weighting": self.weighting.model_dump(mode="json") if self.weighting else None,
            "unshared": self.unshared,
            "n_images": self.n_images,
            "noise_dataset": self.noise_dataset or self.dataset,
        }
