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
from diffzero.pruning.race import Outcome, Race
from diffzero.scoring.engine import Engine
from diffzero.scoring.problem import Item, Problem


@dataclass(frozen=True)
class RankedPrompt:
    """One row of a ranking, which is ordered by `difference` after the winner.

    Attributes
    ----------
    prompt
        The prompt.
    difference, low, high
        Mean paired difference to the winner's weighted scores over the draws that both have, and its 95 % t interval: how much worse
        the prompt explains the image. 0 for the winner; no interval (NaN) after a single draw. Means over each prompt's own draws are
        not comparable, because the draws differ.
    draws
        Number of these draws: all that the prompt has.
    eliminated_at
        Number of draws after which the prompt was eliminated; None for the winner and for prompts that were left at max_scores.
    """

    prompt: str
    difference: float
    low: float
    high: float
    draws: int
    eliminated_at: int | None


@dataclass(frozen=True)
class Classification:
    """The result of one image's race.

    `prompts` are the distinct prompts, in the order given, without those that are the same tokens as an earlier one
    (`equal_prompts`, each with that one); `ranking` starts with the winner; `weighted` holds the weighted
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
        ends = {row.prompt: row.eliminated_at for row in self.ranking}
        return np.array([np.nan if ends[prompt] is None else ends[prompt] for prompt in self.prompts], dtype=np.float64)


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
    FileNotFoundError, IsADirectoryError
        If `image` is not a file.
    ValueError
        With fewer than two different prompts.
    ImageError, CheckpointError, PromptTooLongError, ScoreError, BatchTooLargeError
        As raised by decoding, loading, encoding and scoring.
    """
    if not image.exists():
        raise FileNotFoundError(f"{image}: found no such file, expected an image.")
    if image.is_dir():
        raise IsADirectoryError(f"{image}: found a directory, expected the path of one image.")
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
    return Classification(
        candidates, rank_prompts(weighted, candidates, policy), weighted, result.outcomes["image"], equal
    )


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


def rank_prompts(weighted: NDArray[np.float64], prompts: list[str], policy: Policy) -> list[RankedPrompt]:
    """Rank prompts by the mean paired difference to the winner; ties keep the order given.

    Parameters
    ----------
    weighted
        Weighted scores [draw, prompt] of a finished race, NaN after a prompt was eliminated.
    prompts
        The prompts.
    policy
        The policy of the race, which is replayed.
    """
    race = Race(policy, len(prompts), lambda first, last, columns: weighted[first:last].take(columns, axis=1))
    while not race.finished:
        race.step(race.next_draws[1])
    winner, draws = race.outcome().winner, (~np.isnan(weighted)).sum(axis=0)
    rows = []
    for k, prompt in enumerate(prompts):
        paired = weighted[: draws[k], k] - weighted[: draws[k], winner]
        ended = int(race.eliminated_at[k])
        interval = (0.0, 0.0, 0.0) if k == winner else mean_difference_interval(paired)
        rows.append(RankedPrompt(prompt, *interval, draws=int(draws[k]), eliminated_at=ended if ended > 0 else None))
    return [rows[winner], *sorted(rows[:winner] + rows[winner + 1 :], key=lambda row: row.difference)]
