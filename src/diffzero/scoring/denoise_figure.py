"""The data of Figure 3: predictions of x for a few images under right and wrong prompts."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.typing import Arrays, Pixels, WeightFn

MAX_SHOWN_PROMPTS = 4


def select_prompts(items: pd.DataFrame) -> list[int]:
    """Return the prompts to show: the right prompt of every item, then others in label order, up to MAX_SHOWN_PROMPTS.

    More than MAX_SHOWN_PROMPTS are returned if there are more right ones.
    """
    right = [_right_prompt(*row) for row in zip(items["candidates"], items["classes"], items["label"], strict=True)]
    return list(dict.fromkeys([*right, *items["candidates"].iloc[0]]))[: max(MAX_SHOWN_PROMPTS, len(set(right)))]


def _right_prompt(candidates: list[int], classes: list[int], label: int) -> int:
    return candidates[list(classes).index(label)]


@torch.inference_mode()
def denoise_images(
    denoiser: Denoiser,
    items: pd.DataFrame,
    crops: Pixels,
    x: NDArray[np.float32],
    text: Arrays,
    weight: WeightFn,
    noise_key: tuple[int, str],
    t: float,
) -> dict[str, NDArray[Any]]:
    """Noise the first images of a data set to time `t` with their draw 0 and predict x under every selected prompt.

    Parameters
    ----------
    items
        Items of a classification (diffzero.data.prompts), one per image to show.
    crops, x, text
        [image, height, width, 3], [image, *x] and text inputs [prompt, ...].
    weight
        The weighting w_t.
    noise_key
        Seed and data set of the draws.
    t
        Time in [0, 1].

    Returns
    -------
    dict of arrays
        original [item, height, width, 3], noisy [item, height, width, 3], prediction [item, prompt, height, width, 3]: uint8;
        prompt [prompt]: rows of the prompts; correct [item]: position of the right prompt; error [item, prompt]: weighted squared error.
    """
    prompts = select_prompts(items)
    embedded = {name: torch.from_numpy(values[prompts]).to(denoiser.device) for name, values in text.items()}
    conditions = denoiser.encode_conditions(denoiser.checkpoint_dir, crops[: len(items)])
    noisy, predicted, errors = [], [], []
    for row, image in enumerate(items["image"]):
        eps = sample_draw(*noise_key, image, 0, x.shape[1:]).eps
        inputs = {name: torch.from_numpy(v[[row] * len(prompts)]).to(denoiser.device) for name, v in conditions.items()}
        x_t, x_hat, error = _noise_and_denoise(
            denoiser, torch.from_numpy(x[row]), eps, t, embedded | inputs, len(prompts)
        )
        errors.append(error * weight(np.full(len(prompts), t)))
        noisy.append(x_t)
        predicted.append(x_hat)
    right = [_right_prompt(*row) for row in zip(items["candidates"], items["classes"], items["label"], strict=True)]
    pictures = denoiser.decode(torch.cat([torch.stack(noisy), *predicted]))
    return {
        "original": crops[: len(items)],
        "noisy": pictures[: len(items)],
        "prediction": pictures[len(items) :].reshape(len(items), len(prompts), *pictures.shape[1:]),
        "prompt": np.array(prompts),
        "correct": np.array([prompts.index(prompt) for prompt in right]),
        "error": np.stack(errors),
    }


def _noise_and_denoise(
    denoiser: Denoiser, clean: Tensor, eps: NDArray[np.float32], t: float, inputs: dict[str, Tensor], prompts: int
) -> tuple[Tensor, Tensor, NDArray[np.float32]]:
    """Return x_t [*x], the predictions of x [prompt, *x] and their squared errors [prompt] of one image."""
    alpha, sigma = denoiser.schedule.alpha(np.array([t])).item(), denoiser.schedule.sigma(np.array([t])).item()
    x_t = (alpha * clean + sigma * torch.from_numpy(eps)).to(denoiser.device)
    x_hat = denoiser.x0(x_t.expand(prompts, *x_t.shape), np.full(prompts, t), inputs).cpu()
    return x_t.cpu(), x_hat, (clean - x_hat).square().flatten(1).sum(dim=1).numpy()
