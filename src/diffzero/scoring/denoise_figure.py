"""Figure 3: what the model makes of one noisy image under right and wrong prompts."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.typing import Arrays

COLUMNS = 4  # prompts shown


def select_prompts(items: pd.DataFrame) -> list[int]:
    """The right prompt of every image, then others in label order, COLUMNS or as many as there are right ones."""
    right = [
        candidates[list(classes).index(label)]
        for candidates, classes, label in zip(items["candidates"], items["classes"], items["label"], strict=True)
    ]
    return list(dict.fromkeys([*right, *items["candidates"].iloc[0]]))[: max(COLUMNS, len(set(right)))]


@torch.inference_mode()
def denoise(
    denoiser: Denoiser,
    items: pd.DataFrame,
    crops: NDArray[np.uint8],
    x: NDArray[np.float32],
    text: Arrays,
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    address: tuple[int, str],
    t: float,
) -> dict[str, NDArray]:
    """Pictures for figures.denoised, of the first images of a data set, all noised to time `t` by their draw 0.

    original, noisy [row], prediction [row, prompt]: uint8 [height, width, 3]; prompt: prompt numbers; correct [row]: the right column;
    error [row, prompt]: weighted squared error at t.
    """
    prompts = select_prompts(items)
    embedded = {name: torch.from_numpy(values[prompts]).to(denoiser.device) for name, values in text.items()}
    times = np.full(len(prompts), t)
    alpha, sigma = denoiser.schedule.alpha(np.array([t])).item(), denoiser.schedule.sigma(np.array([t])).item()
    conditions = denoiser.encode_conditions(denoiser.folder, crops[: len(items)])
    noisy, predicted, errors, correct = [], [], [], []
    for row, item in enumerate(items.itertuples()):
        clean = torch.from_numpy(x[row])
        eps = torch.from_numpy(sample_draw(*address, item.image, 0, x.shape[1:]).eps)
        x_t = (alpha * clean + sigma * eps).to(denoiser.device)
        seen = {name: torch.from_numpy(v[[row] * len(prompts)]).to(denoiser.device) for name, v in conditions.items()}
        x_hat = denoiser.x0(x_t.expand(len(prompts), *x_t.shape), times, embedded | seen).cpu()
        errors.append((clean - x_hat).square().flatten(1).sum(dim=1).numpy() * weight(times))
        noisy.append(x_t.cpu())
        predicted.append(x_hat)
        correct.append(prompts.index(item.candidates[list(item.classes).index(item.label)]))
    pictures = denoiser.decode(torch.cat([torch.stack(noisy), *predicted]))
    return {
        "original": crops[: len(items)],
        "noisy": pictures[: len(items)],
        "prediction": pictures[len(items) :].reshape(len(items), len(prompts), *pictures.shape[1:]),
        "prompt": np.array(prompts),
        "correct": np.array(correct),
        "error": np.stack(errors),
    }
