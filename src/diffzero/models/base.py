"""The interface of all model families: `Denoiser.x0(x_t, t, text)` predicts x."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffzero.diffusion.schedule import read_schedule
from diffzero.typing import Arrays

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors: TypeAlias = dict[str, Tensor]  # inputs of the network by name, each [batch, ...]


class PromptTooLongError(ValueError):
    """A prompt has more tokens than the text encoder reads. Truncating it would score another class."""


class Denoiser(ABC):
    """A denoising network without its text encoders and VAE.

    A subclass is the adapter of a model family: it alone knows what the network takes and returns. It sets the class variables
    below and implements `network_output`, `encode_text`, `iter_latents` and `decode`.
    """

    PIPELINE: ClassVar[str]  # class name of the diffusers pipeline in model_index.json
    NETWORK: ClassVar[str]  # sub-folder of the checkpoint that holds the network
    SCHEDULERS: ClassVar[tuple[str, ...]] = ("scheduler",)  # sub-folders with scheduler configurations
    TEXT_ENCODERS: ClassVar[tuple[str, ...]] = ("text_encoder",)  # sub-folders; each has a tokenizer of the same suffix
    LATENT_ENCODERS: ClassVar[tuple[str, ...]] = ()  # sub-folders of the networks that make x from pixels
    TOKEN_LIMITS: ClassVar[Mapping[str, int]] = {}  # by sub-folder of the tokenizer, where its own limit does not apply
    OPTIONAL_PARTS: ClassVar[tuple[str, ...]] = ()  # text encoders that model_index.json may list as null
    PART_CLASSES: ClassVar[Mapping[str, str]] = {}  # class that loads a part; subclasses add to those of their bases
    # Values of configuration keys, by part, that the family's pipeline supports; they replace those of the class's table.
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {}
    FAMILY_VERSION: ClassVar[int] = 1  # part of a score's key: increase it when an adapter changes scores

    def __init__(self, checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> None:
        self.checkpoint_dir, self.dtype, self.device = checkpoint_dir, dtype, device
        self.schedule = read_schedule(checkpoint_dir)

    @classmethod
    def scoring_folders(cls) -> tuple[str, ...]:
        """Return the sub-folders of a checkpoint that scores are computed from."""
        return cls.NETWORK, *cls.SCHEDULERS

    @classmethod
    def text_folders(cls) -> tuple[str, ...]:
        """Return the sub-folders that text embeddings are computed from."""
        return *cls.TEXT_ENCODERS, *cls.tokenizer_folders()

    @classmethod
    def tokenizer_folders(cls) -> tuple[str, ...]:
        """Return the sub-folders of the tokenizers."""
        return tuple(name.replace("text_encoder", "tokenizer") for name in cls.TEXT_ENCODERS)

    @classmethod
    def token_limit(cls, part: str, stated: int) -> int:
        """Return the largest number of tokens of a prompt.

        Parameters
        ----------
        part : str
            Sub-folder of the tokenizer.
        stated : int
            The limit that the tokenizer's configuration states.
        """
        return cls.TOKEN_LIMITS.get(part, stated)

    @classmethod
    def clean_prompts(cls, prompts: list[str]) -> list[str]:
        """Return the prompts as the tokenizers receive them."""
        return prompts

    @classmethod
    def weight_folders(cls) -> tuple[str, ...]:
        """Return the sub-folders that hold weights."""
        return cls.NETWORK, *cls.LATENT_ENCODERS, *cls.TEXT_ENCODERS

    @classmethod
    def folders(cls) -> tuple[str, ...]:
        """Return all sub-folders that are read."""
        return *cls.scoring_folders(), *cls.LATENT_ENCODERS, *cls.text_folders()

    @classmethod
    def part_classes(cls) -> dict[str, tuple[str, ...]]:
        """Return the names under which model_index.json may list a part's class, by part; the first is the class that loads it."""
        named: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            named |= vars(base).get("PART_CLASSES", {})
        return {part: (name,) for part, name in named.items()}

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield what does not fit between the parts of a checkpoint, given the configuration of each part with weights."""
        yield from ()

    @abstractmethod
    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return the network's output [batch, *x] at the schedule's timesteps [batch].

        It is what the schedule's `prediction_type` says: eps, v, x or flow.
        """

    @classmethod
    def x_shape(cls, checkpoint_dir: Path, resolution: int) -> tuple[int, ...]:
        """Return the shape of x for an image of `resolution` pixels, from configurations; by default the image itself."""
        return 3, resolution, resolution

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one prompt's text inputs and conditions by name, from configurations.

        Cost plans count FLOPs with them. Of a family that does not state them, the FLOPs are unknown.
        """
        raise NotImplementedError(f"{cls.__name__} does not state the shapes of its inputs")

    def shared_compute(self, draw_index: Tensor, prompt_index: Tensor) -> AbstractContextManager[None]:
        """Return a context in which `x0` may compute once what several rows of a batch share.

        Parameters
        ----------
        draw_index : Tensor
            [batch] int64; rows with equal numbers have the same x_t and t.
        prompt_index : Tensor
            [batch] int64; rows with equal numbers have the same text.
        """
        return nullcontext()

    @classmethod
    @abstractmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return the network's text inputs, float32 arrays [prompt, ...] by name, computed on `device`.

        Raises
        ------
        PromptTooLongError
            If a prompt does not fit into the text encoder.
        """

    @classmethod
    @abstractmethod
    def iter_latents(
        cls, checkpoint_dir: Path, pixels: NDArray[np.uint8], device: torch.device | str = "cpu"
    ) -> Iterator[NDArray[np.float32]]:
        """Yield x of the images `pixels` [image, size, size, 3] in batches [n, *x], float32, computed on `device`."""

    @classmethod
    def encode_images(cls, checkpoint_dir: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return x [image, *x] of all images at once."""
        return np.concatenate(list(cls.iter_latents(checkpoint_dir, pixels)))

    @classmethod
    def encode_conditions(cls, checkpoint_dir: Path, pixels: NDArray[np.uint8]) -> Arrays:
        """Return inputs of the network that depend on the image, arrays [image, ...] by name; most families have none."""
        return {}

    @abstractmethod
    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        """Return x [image, *x] as pictures [image, height, width, 3], for figures."""

    def alpha_sigma(self, t: NDArray[np.float64], ndim: int) -> tuple[Tensor, Tensor]:
        """Return alpha(t) and sigma(t), float32 on the CPU, shaped to multiply a batch with `ndim` dimensions."""
        import torch

        shape = (-1,) + (1,) * (ndim - 1)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return torch.from_numpy(alpha).float().view(shape), torch.from_numpy(sigma).float().view(shape)

    def x0(self, x_t: Tensor, t: NDArray[np.float64], text: Tensors) -> Tensor:
        """Predict x from x_t.

        Only the network runs in the model's dtype. The conversion to x stays in float32, as alpha falls to 0.068 at t = 1.

        Parameters
        ----------
        x_t : Tensor
            [batch, *x] float32.
        t : ndarray
            [batch] float64 in [0, 1].
        text : dict of str to Tensor
            Text inputs and conditions, each [batch, ...].

        Returns
        -------
        Tensor
            x_hat [batch, *x], float32.
        """
        import torch

        timestep = torch.from_numpy(self.schedule.timestep(t)).to(self.device)
        if timestep.is_floating_point():
            # Timesteps of a flow schedule: networks embed them in float32 regardless of their own dtype.
            timestep = timestep.float()
        text = {name: values.to(self.dtype) if values.is_floating_point() else values for name, values in text.items()}
        output = self.network_output(x_t.to(self.dtype), timestep, text).float()
        alpha, sigma = (values.to(self.device) for values in self.alpha_sigma(t, x_t.ndim))
        return predict_x0(self.schedule.prediction_type, x_t, output, alpha, sigma)


def predict_x0(prediction_type: str, x_t: Tensor, output: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Convert the network's output to a prediction of x.

    References
    ----------
    Salimans & Ho 2022, Appendix D (eps, v, x); Esser et al. 2024, Section 3.1 (flow: the network predicts eps - x).
    """
    if prediction_type == "epsilon":
        return (x_t - sigma * output) / alpha
    if prediction_type == "v_prediction":
        return alpha * x_t - sigma * output
    if prediction_type == "sample":
        return output
    if prediction_type == "flow":
        return x_t - sigma * output
    raise ValueError(
        f"scheduler: found prediction_type {prediction_type!r}, expected epsilon, v_prediction, sample or flow."
    )


def check_length(prompts: list[str], lengths: list[int], limit: int, tokenizer: str, dataset: str = "") -> None:
    """Raise PromptTooLongError if a prompt has more than `limit` tokens, start and end token included.

    The message names the tokenizer and, if given, the data set.
    """
    too_long = [(prompt, length) for prompt, length in zip(prompts, lengths, strict=True) if length > limit]
    if too_long:
        prompt, length = too_long[0]
        more = f" {len(too_long)} of {len(prompts)} prompts are too long." if len(too_long) > 1 else ""
        raise PromptTooLongError(
            f"{dataset and f'{dataset}: '}prompt {prompt!r}: found {length} tokens, expected at most {limit} ({tokenizer}).{more} "
            "Shorten the class name or the template."
        )


def to_pixels(values: Tensor) -> NDArray[np.uint8]:
    """Convert values [image, 3, height, width] in [-1, 1] to pictures [image, height, width, 3]."""
    pixels = ((values.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return pixels.contiguous().numpy()


def batch_slices(count: int, size: int) -> list[slice]:
    """Return slices of at most `size` rows that cover `count` rows."""
    return [slice(start, start + size) for start in range(0, count, size)]
