"""The one interface behind which every model family stands: x0(x_t, t, text) -> x_hat."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.diffusion import schedule
from diffzero.typing import Arrays

Tensors = dict[str, Tensor]  # Arrays, gathered for a batch: each [batch, ...]
CPU = torch.device("cpu")


class PromptTooLongError(ValueError):
    """A prompt with more tokens than the text encoder reads; cutting it would score another class."""


class Denoiser(ABC):
    """A loaded denoiser, without text encoder or VAE.

    Subclasses know what their family's network takes and puts out; nothing outside this folder does.
    """

    FAMILY_VERSION: ClassVar[int] = 1  # bump when an adapter would give another score for the same input

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        self.folder, self.dtype, self.device = folder, dtype, device
        self.schedule = schedule.read_schedule(folder)

    @abstractmethod
    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """The network's raw output [batch, *x] at the schedule's timesteps, in the form that the schedule's prediction_type names."""

    def shared_compute(self, draw_index: Tensor, prompt_index: Tensor) -> AbstractContextManager:
        """In here `x0` may rely on it that equal `pair` [batch] means the same x_t and t, equal `prompt` [batch] the same text."""
        return nullcontext()

    @classmethod
    @abstractmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        """What the network takes as text, fp32 arrays [prompt, ...], computed on `device`. Raises PromptTooLongError."""

    @classmethod
    @abstractmethod
    def iter_latents(
        cls, folder: Path, pixels: NDArray[np.uint8], device: torch.device = CPU
    ) -> Iterator[NDArray[np.float32]]:
        """x of the images `pixels` [image, size, size, 3], computed on `device`, a few images at a time: each [some, *x], fp32."""

    @classmethod
    def encode_images(cls, folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """x of all these images: [image, *x], fp32."""
        return np.concatenate(list(cls.iter_latents(folder, pixels)))

    @classmethod
    def encode_conditions(cls, folder: Path, pixels: NDArray[np.uint8]) -> Arrays:
        """What the network takes beside text and depends on the image `pixels` [image, size, size, 3]: arrays [image, ...], often none."""
        return {}

    @abstractmethod
    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        """x [image, *x] as pictures [image, height, width, 3], for figures."""

    def alpha_sigma(self, t: NDArray[np.float64], dimensions: int) -> tuple[Tensor, Tensor]:
        """alpha(t) and sigma(t) in fp32 in main memory, shaped to multiply a batch [batch, *x]."""
        shape = (-1,) + (1,) * (dimensions - 1)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return tuple(torch.from_numpy(values).float().view(shape) for values in (alpha, sigma))

    def x0(self, x_t: Tensor, t: NDArray[np.float64], text: Tensors) -> Tensor:
        """The prediction x_hat [batch, *x] of x, fp32, from `x_t` [batch, *x] fp32, `t` [batch] in [0, 1] and gathered text.

        Only the network's input is cast to the model's dtype; the conversion_command to x stays in fp32, as alpha falls to 0.068 at t = 1.
        """
        timestep = torch.from_numpy(self.schedule.timestep(t)).to(self.device)
        if (
            timestep.is_floating_point()
        ):  # of a flow schedule; networks embed timesteps in fp32 whatever their own dtype
            timestep = timestep.float()
        text = {name: values.to(self.dtype) if values.is_floating_point() else values for name, values in text.items()}
        output = self.network_output(x_t.to(self.dtype), timestep, text).float()
        alpha, sigma = (values.to(self.device) for values in self.alpha_sigma(t, x_t.ndim))
        return predict_x0(self.schedule.prediction_type, x_t, output, alpha, sigma)


def predict_x0(prediction_type: str, x_t: Tensor, output: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """The network's output as a prediction of x (Salimans & Ho 2022, Appendix D)."""
    if prediction_type == "epsilon":
        return (x_t - sigma * output) / alpha
    if prediction_type == "v_prediction":
        return alpha * x_t - sigma * output
    if prediction_type == "sample":
        return output
    if prediction_type == "flow":  # the network puts out eps - x (Esser et al. 2024, Section 3.1)
        return x_t - sigma * output
    raise ValueError(
        f"scheduler: found prediction_type {prediction_type!r}, expected epsilon, v_prediction, sample or flow."
    )


def check_length(prompts: list[str], lengths: list[int], limit: int, tokenizer: str) -> None:
    """Raise PromptTooLongError for the first prompt with more tokens than `limit`, end markers included."""
    for prompt, length in zip(prompts, lengths, strict=True):
        if length > limit:
            raise PromptTooLongError(
                f"prompt {prompt!r}: found {length} tokens, expected at most {limit} ({tokenizer}). Shorten the class name or the template."
            )


def to_pixels(values: Tensor) -> NDArray[np.uint8]:
    """Values [image, 3, height, width] in [-1, 1] as pictures [image, height, width, 3]."""
    return ((values.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def in_batches(count: int, size: int) -> list[slice]:
    """Slices that cover `count` rows, `size` at a time."""
    return [slice(start, start + size) for start in range(0, count, size)]
