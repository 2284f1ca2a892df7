"""Classify one image: `make classify IMAGE=photo.png PROMPTS="a sneaker,a bag"`."""

import argparse
import math
import sys
from pathlib import Path

from diffzero.api import Classification, RankedPrompt, classify
from diffzero.config import ConfigError, Diffusion, load_block, load_model
from diffzero.diffusion.weighting import Heuristic
from diffzero.models.base import PromptTooLongError
from diffzero.models.download import locate_checkpoint
from diffzero.pruning.policies import TTest
from diffzero.reporting.figures.race import draw_race
from diffzero.reporting.figures.style import save_figure
from diffzero.scoring.engine import ScoreError
from diffzero.scoring.oom import BatchTooLargeError


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m diffzero.cli.classify", description=__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--prompts", required=True, help="separated by commas")
    parser.add_argument("--model", default="mini-sd", help="name of a file in config/models/, without .yaml")
    parser.add_argument("--max-scores", type=int, default=500, help="largest number of draws per prompt")
    parser.add_argument("--min-scores", type=int, default=20, help="number of draws before the first elimination")
    parser.add_argument("--cutoff-pval", type=float, default=2e-3, help="p value below which a prompt is eliminated")
    parser.add_argument("--decay", type=float, default=7.0, help="decay of the weighting exp(-decay t)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument(
        "--out", type=Path, default=Path("results/classify"), help="figure of the race, without .png or .svg"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, prompts: list[str]) -> Classification:
    """Check the options and classify the image."""
    root = Path()
    limits = {name: getattr(options, name) for name in ("min_scores", "max_scores", "cutoff_pval")}
    policy = load_block(TTest, limits, "command line")
    weighting = load_block(Heuristic, {"decay": options.decay}, "command line")
    if not options.image.is_file():
        found = "a directory" if options.image.is_dir() else "no such file"
        raise FileNotFoundError(
            f"{options.image}: found {found}, expected an image. Type: make classify IMAGE=photo.png "
            'PROMPTS="a sneaker,a bag"'
        )
    model = load_model(options.model, root)
    if not isinstance(model, Diffusion):
        raise ConfigError(f"model {options.model}: found kind {model.kind}, expected a diffusion model, e.g. mini-sd.")
    return classify(options.image, prompts, locate_checkpoint(model, root), model, policy, weighting, options.seed)


def save_race(result: Classification, stem: Path) -> None:
    """Save the figure of the race."""
    means = result.running_means()
    save_figure(draw_race(means, result.prompts, result.eliminated_at(), range(1, len(means) + 1)), stem)


def format_ranking(result: Classification) -> str:
    """Return the ranking and the cost as lines of text."""
    # Prompts come last, so that a long one does not break the columns.
    lines = [f"{'paired difference to the winner [95 % interval]'}  {'draws':>5}  {'dropped after':>13}  prompt"]
    for number, row in enumerate(result.ranking):
        difference = f"{row.difference:+10.3f}  {_format_interval(row)}" if number else "    winner"
        ended = "-" if row.eliminated_at is None else f"draw {row.eliminated_at}"
        lines.append(f"{difference:47}  {row.draws:5d}  {ended:>13}  {row.prompt}")
    left = sum(row.eliminated_at is None for row in result.ranking)
    state = f"max_scores reached with {left} prompts left" if result.outcome.reached_max_scores else "one prompt left"
    cost = f"{result.outcome.calls} calls of the denoiser, {result.outcome.draws} draws, {state}"
    return "\n".join([*lines, cost, *_explain_ranking(result)])


def _format_interval(row: RankedPrompt) -> str:
    """Return the interval of a difference; a single draw has none."""
    return "[n/a]" if math.isnan(row.low) else f"[{row.low:.3f}, {row.high:.3f}]"


def _explain_ranking(result: Classification) -> list[str]:
    """Return one line for each prompt whose difference is below zero, or whose scores are those of the winner."""
    others = result.ranking[1:]
    lines = [
        f"{row.prompt!r} was ahead of the winner on its {row.draws} draws, but another prompt was significantly better than it"
        for row in others
        if row.difference < 0
    ]
    return lines + [f"exact tie: {row.prompt!r} has the winner's scores" for row in others if row.low == row.high == 0]


def describe_repeats(prompts: list[str]) -> list[str]:
    """Return one line for each prompt that was given more than once."""
    counts = {prompt: prompts.count(prompt) for prompt in dict.fromkeys(prompts)}
    return [f"{prompt!r} was given {n} times and scored once" for prompt, n in counts.items() if n > 1]


def describe_equal(result: Classification) -> list[str]:
    """Return one line for each prompt that is the same tokens as an earlier one."""
    return [
        f"{prompt!r} has the same tokens as {first!r} and was not scored again"
        for prompt, first in result.equal_prompts.items()
    ]


def main(arguments: list[str]) -> None:
    """Print the ranking and save the figure, or exit with one line that says what is wrong."""
    options = parse_arguments(arguments)
    prompts = [prompt.strip() for prompt in options.prompts.split(",") if prompt.strip()]
    try:
        result = run(options, prompts)
    except (OSError, ValueError, ScoreError, PromptTooLongError, BatchTooLargeError) as error:
        sys.exit(f"diffzero: {error}")
    # Before the figure: a disk that is full must not cost the ranking, which may have taken hours.
    print("\n".join([format_ranking(result), *describe_repeats(prompts), *describe_equal(result)]), flush=True)
    try:
        save_race(result, options.out)
    except Exception as error:  # matplotlib raises many kinds of errors
        sys.exit(
            f"diffzero: the figure of the race could not be saved as {options.out}.png ({type(error).__name__}: {error})"
        )
    print(f"figure of the race: {options.out}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
