"""One image, your own prompts: `make classify IMAGE=photo.png PROMPTS="a sneaker,a bag"`."""

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffzero import models
from diffzero.analysis.statistics import mean_difference_interval
from diffzero.config import ConfigError, Diffusion, Policy, Weighting, load_block, load_model
from diffzero.data import transforms
from diffzero.diffusion.weighting import weigh
from diffzero.models.base import PromptTooLong
from diffzero.models.download import locate
from diffzero.pruning.race import Outcome
from diffzero.reporting import figures
from diffzero.scoring.engine import Engine, ScoreError
from diffzero.scoring.oom import TooLarge
from diffzero.scoring.problem import Item, Problem
from diffzero.workflow.experiment import race_policy


@dataclass(frozen=True)
class Ranked:
    """One prompt's place: mean weighted score over its draws, and how much worse than the best on the draws both had."""

    prompt: str
    draws: int
    mean: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """The race of one image: the ranking, best first, and the weighted scores [draw, prompt], NaN after pruning."""

    prompts: list[str]  # the different ones
    ranking: list[Ranked]
    weighted: NDArray[np.float64]
    outcome: Outcome


def classify(
    path: Path, prompts: list[str], folder: Path, model: Diffusion, policy: Policy, weighting: Weighting, seed: int
) -> Verdict:
    """Race the different ones among `prompts` for the image at `path`.

    Raises ImageError, PromptTooLong, CheckpointError, ScoreError, TooLarge, ValueError.
    """
    given, prompts = prompts, list(dict.fromkeys(prompts))
    if len(prompts) < 2:
        raise ValueError(
            f'prompts: found {given}, expected at least two different ones, e.g. PROMPTS="a sneaker,a bag".'
        )
    data = path.read_bytes()
    adapter = models.family(folder)
    pixels = transforms.crop(data, str(path), model.size)[None]
    problem = Problem(
        dataset="classify",
        seed=seed,
        unshared=False,
        # The content, not the path: a renamed picture gets the same draws.
        images=[hashlib.sha256(data).hexdigest()],
        image_keys=["image"],
        x=adapter.encode_images(folder, pixels),
        prompts=prompts,
        prompt_keys=prompts,
        text=adapter.encode_text(folder, prompts),
        items=[Item("image", 0, np.arange(len(prompts)))],
        conditions=adapter.encode_conditions(folder, pixels),
    )
    denoiser = models.load(folder, model.dtype, "auto")
    weight = weigh(weighting, denoiser.schedule)
    result = Engine(denoiser, problem, race_policy(policy), weight, batch_size=64).run(lambda scores: None)
    scores = result.frame()
    weighted = np.full((int(scores["draw"].max()) + 1, len(prompts)), np.nan)
    weighted[scores["draw"], scores["prompt"]] = scores["score"] * weight(scores["t"].to_numpy())
    outcome = result.outcomes["image"]
    return Verdict(prompts, rank(weighted, prompts, outcome.winner), weighted, outcome)


def rank(weighted: NDArray[np.float64], prompts: list[str], winner: int) -> list[Ranked]:
    """The prompts by how long they stayed in the race, then by mean; the winner first. Differences are paired, draw by draw."""
    draws = (~np.isnan(weighted)).sum(axis=0)
    means = np.nanmean(weighted, axis=0)
    order = sorted(range(len(prompts)), key=lambda k: (k != winner, -draws[k], means[k]))
    ranking = []
    for k in order:
        paired = weighted[: draws[k], k] - weighted[: draws[k], winner]
        difference = (0.0, 0.0, 0.0) if k == winner else mean_difference_interval(paired)
        ranking.append(Ranked(prompts[k], int(draws[k]), float(means[k]), *map(float, difference)))
    return ranking


def running_means(weighted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each column's first n scores [draw, prompt]; NaN once the prompt is dropped."""
    return np.cumsum(weighted, axis=0) / np.arange(1, len(weighted) + 1)[:, None]


def pruned_at(verdict: Verdict) -> NDArray[np.float64]:
    """Draws taken when each prompt was dropped [prompt]; NaN for those still in the race at its end."""
    draws = (~np.isnan(verdict.weighted)).sum(axis=0).astype(np.float64)
    stayed = draws == len(verdict.weighted)
    if not verdict.outcome.undecided:
        stayed = np.arange(len(draws)) == verdict.outcome.winner
    return np.where(stayed, np.nan, draws)


def report(verdict: Verdict) -> str:
    """The ranking as text."""
    width = max(len(row.prompt) for row in verdict.ranking)
    lines = [f"{'prompt':{width}}  {'mean score':>10}  {'draws':>5}  difference to the best [95 % interval]"]
    for row in verdict.ranking:
        gap = f"+{row.difference:.3f} [{row.low:.3f}, {row.high:.3f}]" if row is not verdict.ranking[0] else "best"
        lines.append(f"{row.prompt:{width}}  {row.mean:10.3f}  {row.draws:5d}  {gap}")
    state = (
        "undecided: several prompts were left at the largest number of draws"
        if verdict.outcome.undecided
        else "decided"
    )
    return "\n".join([*lines, f"{verdict.outcome.calls} calls of the denoiser, {verdict.outcome.draws} draws, {state}"])


def repeated(prompts: list[str]) -> list[str]:
    """A line for each prompt that was given several times."""
    counts = {prompt: prompts.count(prompt) for prompt in dict.fromkeys(prompts)}
    return [f"{prompt!r} was given {n} times: scored once, tied with itself" for prompt, n in counts.items() if n > 1]


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m diffzero.cli.classify", description=__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--prompts", required=True, help="separated by commas")
    parser.add_argument("--model", default="mini-sd", help="a name in config/models/")
    parser.add_argument("--max-scores", type=int, default=500)
    parser.add_argument("--min-scores", type=int, default=20)
    parser.add_argument("--cutoff-pval", type=float, default=2e-3)
    parser.add_argument("--rate", type=float, default=7.0, help="of the weighting exp(-rate t)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path("results/classify"), help="picture of the race, without its ending"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Print the ranking and write the picture of the race."""
    options = parse(arguments)
    root = Path()
    prompts = [prompt.strip() for prompt in options.prompts.split(",") if prompt.strip()]
    try:
        limits = {name: getattr(options, name) for name in ("min_scores", "max_scores", "cutoff_pval")}
        policy = load_block(Policy, limits, "command line")
        weighting = load_block(Weighting, {"rate": options.rate}, "command line")
        if not options.image.is_file():
            raise FileNotFoundError(
                f'{options.image}: no such image. Type: make classify IMAGE=photo.png PROMPTS="a sneaker,a bag"'
            )
        model = load_model(options.model, root)
        if not isinstance(model, Diffusion):
            raise ConfigError(
                f"model {options.model}: found kind {model.kind}, expected a diffusion model, e.g. mini-sd."
            )
        folder = locate(model, root)
        verdict = classify(options.image, prompts, folder, model, policy, weighting, options.seed)
        means = running_means(verdict.weighted)
        draws = np.arange(1, len(means) + 1)
        figures.save(figures.race(means, verdict.prompts, pruned_at(verdict), draws), options.out)
    except (OSError, ValueError, ScoreError, PromptTooLong, TooLarge) as error:
        sys.exit(f"diffzero: {error}")
    print("\n".join([report(verdict), *repeated(prompts), f"picture of the race: {options.out}.png"]))


if __name__ == "__main__":
    main(sys.argv[1:])
