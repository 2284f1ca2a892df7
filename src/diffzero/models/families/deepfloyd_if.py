"""DeepFloyd IF, stages I and II: pixel U-Nets under a T5 encoder; the open stand-in for Imagen (Saharia et al. 2022)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.data import transforms
from diffzero.diffusion import schedule
from diffzero.models.backbones import UNetDenoiser
from diffzero.models.base import CPU, Tensors, in_batches, to_pixels
from diffzero.typing import Arrays

TEXT_TOKENS = 77  # IFPipeline.encode_prompt pads T5 to CLIP's length, on which IF was trained
SMALL_SIZE = 64  # pixels a side of stage I, which stage II enlarges
ENCODE_BATCH = 256
NOISE_LEVEL = 250  # of 1000, on the small image: IFSuperResolutionPipeline's default augmentation


class DeepFloydIF(UNetDenoiser):
    """x is the image itself in [-1, 1]; the network's output holds eps and a learned variance, of which eps is used."""

    FAMILY_VERSION = 2  # 2: the prediction is clipped

    def x0(self, x_t: Tensor, t: NDArray[np.float64], text: Tensors) -> Tensor:
        """The prediction of x, clipped to the range of pixels (Saharia et al. 2022, Section 2.3: static thresholding).

        As x lies in [-1, 1], clipping can only bring x_hat closer. Without it the score has no usable mean: IF's cosine
        schedule ends at alpha = 5e-5, where (x_t - sigma eps) / alpha turns an eps error of 0.001 into 20 at each pixel,
        and one draw in a thousand outweighs all others whatever `exp(-7t)` says.
        """
        return super().x0(x_t, t, text).clamp(-1, 1)

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.unet(x_t, timestep, text["states"]).sample[:, : x_t.shape[1]]

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str], device: torch.device = CPU) -> Arrays:
        """T5 reads lower-cased prompts with their mask; the U-Net gets all positions without one, as in IFPipeline.

        Without the cleaning that the pipeline adds by default: made for captions from the web, it takes words out of class names
        ("hummer h3t crew cab" becomes "hummer crew cab") and changes 16 of the 2,000 prompts of the shipped data sets.
        """
        from diffzero.models import text_encoders

        lowered = [prompt.lower().strip() for prompt in prompts]
        states, _ = text_encoders.encode_t5(folder, lowered, text_encoders.t5_max_tokens(folder, TEXT_TOKENS), device)
        return {"states": states.numpy()}

    @classmethod
    def iter_latents(
        cls, folder: Path, pixels: NDArray[np.uint8], device: torch.device = CPU
    ) -> Iterator[NDArray[np.float32]]:
        """The pixels themselves, whatever the device."""
        for rows in in_batches(len(pixels), ENCODE_BATCH):
            yield np.ascontiguousarray(pixels[rows].transpose(0, 3, 1, 2)).astype(np.float32) / 127.5 - 1

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        return to_pixels(x)


class DeepFloydIFSuperResolution(DeepFloydIF):
    """Stage II (the paper's Appendix F): x is the large image, and the network also sees the small one, enlarged and noised."""

    FAMILY_VERSION = 1

    def network_output(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        level = torch.full((len(x_t),), NOISE_LEVEL, device=x_t.device)
        both = torch.cat([x_t, text["small"]], dim=1)
        return self.unet(both, timestep, text["states"], class_labels=level).sample[:, : x_t.shape[1]]

    @classmethod
    def encode_conditions(cls, folder: Path, pixels: NDArray[np.uint8]) -> Arrays:
        """The crop at 64 pixels, enlarged and noised as IFSuperResolutionPipeline does: `small` [image, 3, size, size], fp32.

        The noise is addressed by the crop's bytes: the same for every draw, class and run, as the pipeline keeps one for all steps.
        """
        noising = schedule.read_schedule(folder, "image_noising_scheduler")
        t = np.array([(NOISE_LEVEL + 0.5) / noising.steps])
        alpha, sigma = noising.alpha(t).item(), noising.sigma(t).item()
        return {"small": np.stack([alpha * upscale_small(crop) + sigma * crop_noise(crop) for crop in pixels])}


def upscale_small(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A crop [size, size, 3] reduced to SMALL_SIZE pixels and stretched back, bilinear between corners: [3, size, size] in [-1, 1]."""
    small = torch.tensor(transforms.downsample(crop, SMALL_SIZE)).permute(2, 0, 1)[None].float() / 127.5 - 1
    stretched = torch.nn.functional.interpolate(small, crop.shape[:2], mode="bilinear", align_corners=True)
    return stretched[0].numpy()


def crop_noise(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Standard normal noise [3, size, size] that belongs to this crop alone."""
    key = np.frombuffer(hashlib.sha256(crop.tobytes()).digest(), dtype=np.uint64)[:2]
    shape = (crop.shape[2], *crop.shape[:2])
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)
