"""DeepFloyd IF, stages I and II: the open reimplementation of Imagen (Saharia et al. 2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from diffzero.data import transforms
from diffzero.diffusion.schedule import VPSchedule, read_schedule
from diffzero.models.backbones import UNetDenoiser
from diffzero.models.base import batch_slices, to_pixels
from diffzero.models.widths import text_width, unequal
from diffzero.typing import Arrays

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from diffzero.models.base import Tensors

TEXT_TOKENS = 77  # IFPipeline.encode_prompt pads T5 to CLIP's length, with which IF was trained
SMALL_SIZE = 64  # side in pixels of stage I's images, which stage II enlarges
PIXEL_BATCH = 256
NOISE_LEVEL = 250  # of 1000, on the small image: the default augmentation of IFSuperResolutionPipeline


class DeepFloydIF(UNetDenoiser):
    """A pixel U-Net with T5: x is the image in [-1, 1].

    The output holds eps and a learned variance; the variance is not used.
    """

    PIPELINE: ClassVar[str] = "IFPipeline"
    PART_CLASSES: ClassVar[Mapping[str, str]] = {"text_encoder": "T5EncoderModel"}
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {
        "unet": {"in_channels": (3,), "out_channels": (3, 6)}  # eps, or eps and the variance
    }
    FAMILY_VERSION: ClassVar[int] = 2  # 2: the prediction is clipped

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield a difference between the widths of the U-Net's and the encoder's states."""
        width = configs["text_encoder"]["d_model"]
        yield from unequal("text width of the unet", text_width(configs["unet"]), width, "d_model of the text_encoder")

    def x0(self, x_t: Tensor, t: NDArray[np.float64], text: Tensors) -> Tensor:
        """Predict x, clipped to [-1, 1] (static thresholding, Saharia et al. 2022, Section 2.3).

        As x lies in [-1, 1], clipping can only bring x_hat closer. Without it the mean score is dominated by few draws: IF's cosine
        schedule ends at alpha = 5e-5, where (x_t - sigma eps) / alpha turns an error of 0.001 in eps into 20 per pixel, so that one
        draw in a thousand outweighs all others in spite of the weight exp(-7t).
        """
        return super().x0(x_t, t, text).clamp(-1, 1)

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps."""
        return self.unet(x_t, timestep, text["states"]).sample[:, : x_t.shape[1]]

    @classmethod
    def token_limit(cls, part: str, stated: int) -> int:
        """Return the pipeline's limit, or that of the tokenizer where it is less (in mini checkpoints)."""
        return min(TEXT_TOKENS, stated)

    @classmethod
    def clean_prompts(cls, prompts: list[str]) -> list[str]:
        """Return the prompts in lower case."""
        return [prompt.lower().strip() for prompt in prompts]

    @classmethod
    def encode_text(cls, checkpoint_dir: Path, prompts: list[str], device: torch.device | str = "cpu") -> Arrays:
        """Return T5's `states` [prompt, token, width] of the lower-cased prompts.

        T5 reads the mask; the U-Net reads all positions, as in IFPipeline. The pipeline's cleaning of captions is left out: made for
        captions from the web, it removes words of class names ("hummer h3t crew cab" becomes "hummer crew cab") and changes 16 of
        the 2,000 prompts of the data sets in config/datasets.
        """
        from diffzero.models import text_encoders

        limit = text_encoders.t5_max_tokens(checkpoint_dir, TEXT_TOKENS)
        states, _ = text_encoders.encode_t5(checkpoint_dir, cls.clean_prompts(prompts), limit, device)
        return {"states": states.numpy()}

    @classmethod
    def iter_latents(
        cls, checkpoint_dir: Path, pixels: NDArray[np.uint8], device: torch.device | str = "cpu"
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the pixels scaled to [-1, 1]; nothing is computed on `device`."""
        for rows in batch_slices(len(pixels), PIXEL_BATCH):
            yield np.ascontiguousarray(pixels[rows].transpose(0, 3, 1, 2)).astype(np.float32) / 127.5 - 1

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        """Return x as pictures."""
        return to_pixels(x)


class DeepFloydIFSuperResolution(DeepFloydIF):
    """Stage II of DeepFloyd IF (the paper's Appendix F): x is the large image.

    The network also reads the image at 64 pixels, enlarged and noised.
    """

    PIPELINE: ClassVar[str] = "IFSuperResolutionPipeline"
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {
        "unet": {"in_channels": (6,), "out_channels": (3, 6), "class_embed_type": (None, "timestep")}
    }
    SCHEDULERS: ClassVar[tuple[str, ...]] = ("scheduler", "image_noising_scheduler")
    FAMILY_VERSION: ClassVar[int] = 1

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        """Return eps."""
        import torch

        level = torch.full((len(x_t),), NOISE_LEVEL, device=x_t.device)
        both = torch.cat([x_t, text["small"]], dim=1)
        return self.unet(both, timestep, text["states"], class_labels=level).sample[:, : x_t.shape[1]]

    @classmethod
    def input_shapes(cls, checkpoint_dir: Path, resolution: int) -> dict[str, tuple[int, ...]]:
        """Add the shape of the enlarged small image."""
        small = cls.x_shape(checkpoint_dir, resolution)
        return super().input_shapes(checkpoint_dir, resolution) | {"small": small}

    @classmethod
    def encode_conditions(cls, checkpoint_dir: Path, pixels: NDArray[np.uint8]) -> Arrays:
        """Return `small` [image, 3, size, size] float32: the crop at 64 pixels, enlarged and noised as in the pipeline.

        The noise is a function of the crop's bytes, the same for all draws, classes and runs: the pipeline too keeps one noise for
        all steps.
        """
        noising = read_schedule(checkpoint_dir, "image_noising_scheduler")
        assert isinstance(noising, VPSchedule), "IF's schedulers are variance-preserving"
        t = np.array([(NOISE_LEVEL + 0.5) / noising.steps])
        alpha, sigma = noising.alpha(t).item(), noising.sigma(t).item()
        return {"small": np.stack([alpha * upscale_small(crop) + sigma * crop_noise(crop) for crop in pixels])}


def upscale_small(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Downsample a crop [size, size, 3] to SMALL_SIZE pixels and enlarge it bilinearly: [3, size, size] in [-1, 1]."""
    import torch

    small = torch.tensor(transforms.downsample(crop, SMALL_SIZE)).permute(2, 0, 1)[None].float() / 127.5 - 1
    size = (crop.shape[0], crop.shape[1])
    return torch.nn.functional.interpolate(small, size, mode="bilinear", align_corners=True)[0].numpy()


def crop_noise(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return standard normal noise [3, size, size] that is a function of the crop's bytes."""
    key = np.frombuffer(hashlib.sha256(crop.tobytes()).digest(), dtype=np.uint64)[:2]
    shape = (crop.shape[2], *crop.shape[:2])
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)
