"""What latent families share: x is the VAE's latent. A scoring job gets latents as a file and loads no VAE."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.denoisers.base import Denoiser, in_batches, to_pixels

ENCODE_BATCH = 16


class LatentDenoiser(Denoiser):
    """x is the mean of the VAE's posterior, shifted and scaled as its configuration says."""

    @classmethod
    def encode_images(cls, folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The mean of the VAE's posterior, not a sample: x is then a function of the image alone, as a score's identity needs."""
        vae, latents = load_vae(folder), []
        shift, scale = affine(vae.config)
        with torch.inference_mode():
            for rows in in_batches(len(pixels), ENCODE_BATCH):
                x = torch.tensor(pixels[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
                latents.append((vae.encode(x).latent_dist.mean - shift) * scale)
        return torch.cat(latents).numpy()

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        vae = load_vae(self.folder)
        shift, scale = affine(vae.config)
        with torch.inference_mode():
            return to_pixels(torch.cat([vae.decode(row / scale + shift).sample for row in x.split(1)]))


def affine(config) -> tuple[float, float]:
    """shift and scale of a VAE: x = (latent - shift) * scale. Raises ValueError for statistics per channel."""
    if config.get("latents_mean") is not None:
        raise ValueError(
            "vae/config.json: found latents_mean, expected shift_factor and scaling_factor alone. Statistics per channel need a "
            "branch in diffzero.denoisers.latent."
        )
    return config.get("shift_factor") or 0.0, config.scaling_factor


def pixels_a_side(folder: Path) -> int:
    """How many pixels a side become one latent, from the VAE's configuration alone."""
    return 2 ** (len(json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"]) - 1)


def load_vae(folder: Path):
    """The checkpoint's VAE (AutoencoderKL), in fp32 whatever the network's dtype: half precision overflows in its decoder."""
    from diffusers import AutoencoderKL  # not at the top: a scoring job must not pay for it

    return AutoencoderKL.from_pretrained(
        folder, subfolder="vae", torch_dtype=torch.float32, use_safetensors=True
    ).eval()
