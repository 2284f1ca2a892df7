"""The data of Figure 3: predictions of x for a few images under right and wrong prompts."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.typing import Arrays, Pixels, WeightFn

MAX_PROMPTS = 4


def select_prompts(items: pd.DataFrame) -> list[int]:
    """Return the prompts to show: the right prompt of every item, then others in label order, up to MAX_PROMPTS.

    More than MAX_PROMPTS are returned if there are more right ones.
    """
    right = [_right_prompt(*row) for row in zip(items["candidates"], items["classes"], items["label"], strict=True)]
    return list(dict.fromkeys([*right, *items["candidates"].iloc[0]]))[: max(MAX_PROMPTS, len(set(right)))]


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
    denoiser
        The network.
    items
        Items of a classification (diffzero.data.prompts), one per image to show.
    crops
        [image, height, width, 3].
    x
        [image, *x].
    text
        Text inputs, each [prompt, ...].
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
    times = np.full(len(prompts), t)
    alpha, sigma = denoiser.schedule.alpha(np.array([t])).item(), denoiser.schedule.sigma(np.array([t])).item()
    conditions = denoiser.encode_conditions(denoiser.folder, crops[: len(items)])
    noisy, predicted, errors = [], [], []
    for row, image in enumerate(items["image"]):
        clean = torch.from_numpy(x[row])
        eps = torch.from_numpy(sample_draw(*noise_key, image, 0, x.shape[1:]).eps)
        x_t = (alpha * clean + sigma * eps).to(denoiser.device)
        inputs = {name: torch.from_numpy(v[[row] * len(prompts)]).to(denoiser.device) for name, v in conditions.items()}
        x_hat = denoiser.x0(x_t.expand(len(prompts), *x_t.shape), times, embedded | inputs).cpu()
        errors.append((clean - x_hat).square().flatten(1).sum(dim=1).numpy() * weight(times))
        noisy.append(x_t.cpu())
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
