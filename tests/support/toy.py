"""A trivial denoiser, a scoring problem for it, and the same scores computed one triple at a time."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.pruning.policies import POLICIES as REGISTRY
from diffzero.pruning.policies import FixedStages, Full, Policy, StatelessPolicy, TTest
from diffzero.pruning.race import Outcome
from diffzero.scoring.engine import Engine
from diffzero.scoring.problem import Item, Problem
from literal import adaptive_stages, algorithm_1, mean
from stages_of import fixed_stages

POLICIES: list[Policy] = [
    TTest(min_scores=3, max_scores=12, cutoff_pval=0.05),
    fixed_stages((2, 5, 9), (3, 2, 1)),
    Full(max_scores=5),
]
# For every other registered kind, the policy with the most draws that the cost frontier replays.
POLICIES += [
    [policy for _, policy in kind.frontier((2, 5, 12), 5, 3)][-1]
    for kind in REGISTRY.values()
    if kind not in map(type, POLICIES)
]
TTEST = POLICIES[0]
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.slug)
KEYS = ["image", "prompt", "draw"]
Triple = tuple[int, int, int]  # image, draw, prompt


class Toy(Denoiser):
    """Move x_t towards the prompt's centre. A score is a sum of two numbers, so that it is exact in any order and batch."""

    def __init__(self, checkpoint_dir: Path) -> None:
        (checkpoint_dir / "scheduler").mkdir(parents=True, exist_ok=True)
        schedule = {"num_train_timesteps": 1000, "beta_schedule": "linear", "prediction_type": "sample"}
        (checkpoint_dir / "scheduler" / "scheduler_config.json").write_text(json.dumps(schedule))
        super().__init__(checkpoint_dir, torch.float32, torch.device("cpu"))
        self.batches: list[bytes] = []
        self.calls = 0
        self.poison: torch.Tensor | None = None  # the x_t for which the network returns NaN
        self.lose_a_channel = False

    def network_output(self, x_t, timestep, text):
        self.batches.append(x_t.numpy().tobytes() + text["centre"].numpy().tobytes())
        self.calls += len(x_t)
        output = x_t * 0.5 + text["centre"] * 0.5
        if self.poison is not None:
            output[(x_t == self.poison).flatten(1).all(dim=1)] = float("nan")
        return output[:, :1] if self.lose_a_channel else output

    encode_text = iter_latents = decode = None  # a problem has its own latents and text


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return True if both frames are equal to the last bit, types included."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    return True


def weight(t):
    return np.exp(-2 * t)


def classification(images: int = 8, classes: int = 5, unshared: bool = False, rows: slice = slice(None)) -> Problem:
    """Return a problem with images around the centres of their classes; `rows` selects a shard."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(classes, 2, 1, 1)).astype(np.float32)
    x = centres[np.arange(images) % classes] + 0.2 * rng.normal(size=(images, 2, 1, 1)).astype(np.float32)
    names = [f"picture {k}" for k in range(images)][rows]
    return Problem(
        dataset="toy",
        seed=3,
        unshared=unshared,
        images=names,
        image_keys=[f"key of {name}" for name in names],
        x=x[rows],
        prompts=[f"prompt {k}" for k in range(classes)],
        prompt_keys=[f"key of prompt {k}" for k in range(classes)],
        text={"centre": centres},
        items=[Item(f"item of {name}", k, np.arange(classes)) for k, name in enumerate(names)],
    )


def item_table(problem: Problem) -> pd.DataFrame:
    """Return the problem's items as the workflow stores them; labels in the order of the images."""
    return pd.DataFrame(
        {
            "item": [item.name for item in problem.items],
            "task": "classify",
            "image": [problem.images[item.image] for item in problem.items],
            "label": [k % len(problem.prompts) for k, _ in enumerate(problem.items)],
            "candidates": [item.candidates.tolist() for item in problem.items],
            "classes": [list(range(len(item.candidates))) for item in problem.items],
        }
    )


def score(denoiser: Denoiser, problem: Problem, policy: Policy, batch_size: int = 6, known=None, **options):
    """Run the engine and return its result and the recorded chunks."""
    recorded: list[pd.DataFrame] = []
    result = Engine(denoiser, problem, policy, weight, batch_size, known).run(recorded.append, **options)
    return result, recorded


def triples(recorded: Iterable[pd.DataFrame], problem: Problem) -> list[Triple]:
    """Return the evaluated triples as indices."""
    images, prompts = problem.image_keys, problem.prompt_keys
    return [(images.index(r.image), r.draw, prompts.index(r.prompt)) for chunk in recorded for r in chunk.itertuples()]


@torch.inference_mode()
def one_score(denoiser: Denoiser, problem: Problem, image: int, draw: int, prompt: int) -> tuple[float, float]:
    """Return t and ||x - x_hat||^2 of one triple, computed from its indices."""
    x, own = torch.from_numpy(problem.x[image]), problem.prompts[prompt] if problem.unshared else None
    noise = sample_draw(problem.seed, problem.dataset, problem.images[image], draw, tuple(x.shape), own)
    t = np.array([noise.t])
    x_t = float(denoiser.schedule.alpha(t)[0]) * x + float(denoiser.schedule.sigma(t)[0]) * torch.from_numpy(noise.eps)
    text = {name: torch.from_numpy(values[prompt : prompt + 1]) for name, values in problem.text.items()}
    difference = x - denoiser.x0(x_t[None], t, text)[0]
    return noise.t, float((difference * difference).sum())


def decisions(matrix: np.ndarray, policy: StatelessPolicy) -> list[tuple[int, tuple[int, ...]]]:
    """Return (draws, surviving classes) after each decision of a stateless policy on weighted scores [draw, class]."""
    n, alive, history = 0, np.arange(matrix.shape[1]), []
    while len(alive) > 1 and n < policy.max_draws:
        n = policy.next_decision(n)
        alive = alive[policy.survivors(matrix[:n, alive])]
        history.append((n, tuple(alive.tolist())))
    return history


def race_as_printed(denoiser: Denoiser, problem: Problem, policy: Policy, item: Item) -> tuple[Outcome, set[Triple]]:
    """Run one item's race with a literal algorithm; return its outcome (without `exact_tie`) and the evaluated triples."""
    scores = np.array(
        [[one_score(denoiser, problem, item.image, n, k) for k in item.candidates] for n in range(policy.max_draws)]
    )
    matrix = weight(scores[:, :, 0]) * scores[:, :, 1].astype(np.float32).astype(np.float64)
    everyone = tuple(range(len(item.candidates)))
    if isinstance(policy, TTest):
        raced = algorithm_1(matrix, policy.min_scores, policy.max_scores, policy.cutoff_pval)
    elif isinstance(policy, FixedStages):
        raced = adaptive_stages(matrix, *zip(*((stage.draws, stage.keep) for stage in policy.stages), strict=True))
    else:
        raced = None
    history = raced.history if raced else decisions(matrix, policy)
    winner = raced.prediction if raced else min(history[-1][1], key=lambda k: mean(matrix[: history[-1][0], k]))
    evaluated, alive, start = set(), everyone, 0
    for n, survivors in history:
        evaluated |= {(item.image, draw, int(item.candidates[k])) for draw in range(start, n) for k in alive}
        alive, start = survivors, n
    return Outcome(winner, start, len(evaluated), reached_max_scores=len(alive) > 1, exact_tie=False), evaluated
