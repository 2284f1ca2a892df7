"""Batches of (image, draw, class) triples for the denoiser."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.scoring.image_state import ImageState
from diffzero.scoring.problem import Problem
from diffzero.typing import Floats, Ints

NoiseKey = tuple[
    int, int, int | None
]  # image row, draw, prompt row; the prompt is None where all prompts share the draw


@dataclass(frozen=True)
class Batch:
    """Triples for one evaluation of the denoiser; the triples of one image are adjacent."""

    states: list[ImageState]  # the images of the batch
    offsets: Ints  # [state + 1] the triples offsets[i]:offsets[i + 1] belong to states[i]
    image: Ints  # [triple] row of Problem.images
    cell: Ints  # [triple] index into ImageState.scores
    draw: Ints  # [triple]
    prompt: Ints  # [triple] row of Problem.prompts
    noise: Ints  # [triple] row of x_t and t; triples that share a draw share a row
    x_t: torch.Tensor  # [noise, *x] fp32
    t: Floats  # [noise]


def build_batch(problem: Problem, denoiser: Denoiser, requests: list[tuple[ImageState, Ints]]) -> Batch:
    """Build the batch of some cells per image: sample their draws and compute x_t."""
    draw, prompt, noise = [], [], []
    keys: list[NoiseKey] = []
    for state, cells in requests:
        draws, columns = np.divmod(cells, len(state.prompts))
        prompts = state.prompts[columns]
        is_new = np.ones(len(cells), dtype=bool)  # [triple] whether the triple needs another x_t than the one before
        if not problem.unshared:  # cells are in ascending order, so equal draws are adjacent
            is_new[1:] = draws[1:] != draws[:-1]
        draw.append(draws)
        prompt.append(prompts)
        noise.append(np.cumsum(is_new) - 1 + len(keys))
        own_prompts = prompts.tolist() if problem.unshared else itertools.repeat(None)
        keys += zip(itertools.repeat(state.image), draws[is_new].tolist(), own_prompts, strict=False)
    x_t, t = noise_images(problem, denoiser, keys)
    sizes = [len(cells) for _, cells in requests]
    return Batch(
        states=[state for state, _ in requests],
        offsets=np.cumsum([0, *sizes]),
        image=np.repeat([state.image for state, _ in requests], sizes),
        cell=np.concatenate([cells for _, cells in requests]),
        draw=np.concatenate(draw),
        prompt=np.concatenate(prompt),
        noise=np.concatenate(noise),
        x_t=x_t,
        t=t,
    )


def noise_images(problem: Problem, denoiser: Denoiser, keys: list[NoiseKey]) -> tuple[torch.Tensor, Floats]:
    """Return x_t = alpha(t) x + sigma(t) eps and t for some draws.

    Returns
    -------
    x_t
        [noise, *x], fp32, in main memory.
    t
        [noise], times in [0, 1).
    """
    shape = problem.x.shape[1:]
    draws = [
        sample_draw(
            problem.seed,
            problem.dataset,
            problem.images[image],
            draw,
            shape,
            None if prompt is None else problem.prompts[prompt],
        )
        for image, draw, prompt in keys
    ]
    t = np.array([draw.t for draw in draws])
    eps = torch.from_numpy(np.stack([draw.eps for draw in draws]))
    x = torch.from_numpy(problem.x)[torch.from_numpy(np.array([image for image, _, _ in keys]))]
    alpha, sigma = denoiser.alpha_sigma(t, x.ndim)
    return alpha * x + sigma * eps, t
