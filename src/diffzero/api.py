"""Classify one image with prompts of your own: the library function behind `make classify`."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffzero import models
from diffzero.analysis.statistics import mean_difference_interval
from diffzero.config import Diffusion
from diffzero.data import transforms
from diffzero.data.equal_prompts import find_equal_prompts
from diffzero.diffusion.weighting import Weighting, make_weight_fn
from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome
from diffzero.scoring.engine import Engine
from diffzero.scoring.problem import Item, Problem


@dataclass(frozen=True)
class RankedPrompt:
    """One row of a ranking.

    `mean` is the mean weighted score over the prompt's own `draws`. `difference` with its 95 % interval (`low`, `high`) is
    the mean paired difference to the best prompt, over the draws that both have.
    """

    prompt: str
    draws: int
    mean: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Classification:
    """The result of one image's race.

    `prompts` are the distinct prompts, in the order given, without those that are the same tokens as an earlier one
    (`equal_prompts`, each with that one); `ranking` starts with the best one; `weighted` holds the weighted
    scores [draw, prompt], NaN after a prompt was eliminated.
    """

    prompts: list[str]
    ranking: list[RankedPrompt]
    weighted: NDArray[np.float64]
    outcome: Outcome
    equal_prompts: dict[str, str] = field(default_factory=dict)

    def running_means(self) -> NDArray[np.float64]:
        """Return the mean of the first n scores of each prompt [n - 1, prompt]; NaN after the prompt was eliminated."""
        return np.cumsum(self.weighted, axis=0) / np.arange(1, len(self.weighted) + 1)[:, None]

    def eliminated_at(self) -> NDArray[np.float64]:
        """Return the number of draws at which each prompt was eliminated [prompt]; NaN for those that never were."""
        draws = (~np.isnan(self.weighted)).sum(axis=0).astype(np.float64)
        survived = draws == len(self.weighted)
        if not self.outcome.reached_max_scores:
            survived = np.arange(len(draws)) == self.outcome.winner
        return np.where(survived, np.nan, draws)


def classify(
    image: Path,
    prompts: list[str],
    checkpoint_dir: Path,
    model: Diffusion,
    policy: Policy,
    weighting: Weighting,
    seed: int,
) -> Classification:
    """Race the distinct prompts for one image; `checkpoint_dir` holds the weights of `model`.

    The draws depend on the content of the image, not on its path; a repeated prompt is scored once.

    Raises
    ------
    ValueError
        With fewer than two different prompts.
    ImageError, CheckpointError, PromptTooLongError, ScoreError, BatchTooLargeError
        As raised by decoding, loading, encoding and scoring.
    """
    distinct = list(dict.fromkeys(prompts))
    if len(distinct) < 2:
        raise ValueError(
            f'prompts: found {prompts}, expected at least two different ones, e.g. PROMPTS="a sneaker,a bag".'
        )
    problem = _problem(image, distinct, checkpoint_dir, model, seed)
    candidates = problem.prompts
    equal = {distinct[row]: distinct[first] for row, first in problem.equal_prompts.items()}
    denoiser = models.load(checkpoint_dir, model.dtype, "auto")
    weight = make_weight_fn(weighting, denoiser.schedule)
    result = Engine(denoiser, problem, policy, weight, batch_size=64).run(lambda scores: None)
    scores = result.to_frame()
    weighted = np.full((int(scores["draw"].max()) + 1, len(candidates)), np.nan)  # [draw, prompt]
    weighted[scores["draw"], scores["prompt"]] = scores["score"] * weight(scores["t"].to_numpy())
    outcome = result.outcomes["image"]
    return Classification(candidates, _rank(weighted, candidates, outcome.winner), weighted, outcome, equal)


def _problem(image: Path, prompts: list[str], checkpoint_dir: Path, model: Diffusion, seed: int) -> Problem:
    """Encode the image and the prompts as a scoring problem with one item."""
    # Here and not above: importing the text encoders takes seconds.
    from diffzero.models.text_encoders import require_prompts_fit

    require_prompts_fit(checkpoint_dir, prompts)
    data = image.read_bytes()
    adapter = models.adapter_class(checkpoint_dir)
    pixels = transforms.crop_image(data, str(image), model.resolution)[None]
    text = adapter.encode_text(checkpoint_dir, prompts)
    equal = find_equal_prompts(text.values())
    kept = [row for row in range(len(prompts)) if row not in equal]
    if len(kept) < 2:
        raise ValueError(
            f"prompts: found {prompts}, which are all the same tokens for this model, expected two different ones."
        )
    candidates = [prompts[row] for row in kept]
    return Problem(
        dataset="classify",
        seed=seed,
        unshared=False,
        # The content, not the path: a renamed image gets the same draws.
        images=[hashlib.sha256(data).hexdigest()],
        image_keys=["image"],
        x=adapter.encode_images(checkpoint_dir, pixels),
        prompts=candidates,
        prompt_keys=candidates,
        text={name: values[kept] for name, values in text.items()},
        items=[Item("image", 0, np.arange(len(kept)))],
        conditions=adapter.encode_conditions(checkpoint_dir, pixels),
        equal_prompts=equal,
    )


def _rank(weighted: NDArray[np.float64], prompts: list[str], winner: int) -> list[RankedPrompt]:
    """Rank the winner first, then by the number of draws, then by the mean score."""
    draws = (~np.isnan(weighted)).sum(axis=0)
    means = np.nanmean(weighted, axis=0)
    order = sorted(range(len(prompts)), key=lambda k: (k != winner, -draws[k], means[k]))
    ranking = []
    for k in order:
        paired = weighted[: draws[k], k] - weighted[: draws[k], winner]
        difference = (0.0, 0.0, 0.0) if k == winner else mean_difference_interval(paired)
        ranking.append(RankedPrompt(prompts[k], int(draws[k]), float(means[k]), *map(float, difference)))
    return ranking
