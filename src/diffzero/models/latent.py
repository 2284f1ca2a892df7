"""What latent families share: x is the VAE's latent. A scoring job gets latents as a file and loads no VAE."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.models.base import CPU, Denoiser, in_batches, to_pixels

ENCODE_BATCH = 16  # images at once, and pixels: the encoder's first layers take 2.5 kB a pixel
ENCODE_PIXELS = 1 << 20


class LatentDenoiser(Denoiser):
    """x is the mean of the VAE's posterior, shifted and scaled as its configuration says."""

    @classmethod
    def iter_latents(
        cls, folder: Path, pixels: NDArray[np.uint8], device: torch.device = CPU
    ) -> Iterator[NDArray[np.float32]]:
        """The mean of the VAE's posterior, not a sample: x is then a function of the image alone, as a score's identity needs."""
        vae = load_vae(folder).to(device)
        shift, scale = latent_shift_and_scale(vae.config)
        for rows in in_batches(len(pixels), encode_batch_size(*pixels.shape[1:3])):
            # A GPU's convolutions would else round to TF32, three digits; x is to be the same wherever it is made.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                x = torch.tensor(pixels[rows], device=device).permute(0, 3, 1, 2).float() / 127.5 - 1
                latents = (vae.encode(x).latent_dist.mean - shift) * scale
            yield latents.cpu().numpy()

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        vae = load_vae(self.folder)
        shift, scale = latent_shift_and_scale(vae.config)
        with torch.inference_mode():
            return to_pixels(torch.cat([vae.decode(row / scale + shift).sample for row in x.split(1)]))


def encode_batch_size(height: int, width: int) -> int:
    """How many images of this size are encoded at once."""
    return max(1, min(ENCODE_BATCH, ENCODE_PIXELS // (height * width)))


def latent_shift_and_scale(config) -> tuple[float, float]:
    """shift and scale of a VAE: x = (latent - shift) * scale. Raises ValueError for statistics per channel."""
    if config.get("latents_mean") is not None:
        raise ValueError(
            "vae/config.json: found latents_mean, expected shift_factor and scaling_factor alone. Statistics per channel need a "
            "branch in diffzero.models.latent."
        )
    return config.get("shift_factor") or 0.0, config.scaling_factor


def pixels_per_latent(folder: Path) -> int:
    """How many pixels a side become one latent, from the VAE's configuration alone."""
    return 2 ** (len(json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"]) - 1)


def load_vae(folder: Path):
    """The checkpoint's VAE (AutoencoderKL), in fp32 whatever the network's dtype: half precision overflows in its decoder."""
    from diffusers import AutoencoderKL  # not at the top: a scoring job must not pay for it

    return AutoencoderKL.from_pretrained(
        folder, subfolder="vae", torch_dtype=torch.float32, use_safetensors=True
    ).eval()
