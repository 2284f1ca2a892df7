"""Latent diffusion: x is the VAE's latent. A scoring job reads latents from a file and loads no VAE."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from diffzero.models.base import Denoiser, batch_slices, to_pixels

if TYPE_CHECKING:
    import torch
    from diffusers.configuration_utils import FrozenDict
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from torch import Tensor

# Limits of a batch of images. The encoder's first layers take 2.5 kB per pixel.
VAE_BATCH = 16
VAE_PIXELS = 1 << 20


class LatentDenoiser(Denoiser):
    """x is the mean of the VAE's posterior, shifted and scaled by the constants of the VAE's configuration."""

    LATENT_ENCODERS: ClassVar[tuple[str, ...]] = ("vae",)
    PART_CLASSES: ClassVar[Mapping[str, str]] = {"vae": "AutoencoderKL"}
    # Only Stable Diffusion 3's pipeline shifts latents.
    CONFIG_VALUES: ClassVar[Mapping[str, Mapping[str, tuple[object, ...]]]] = {"vae": {"shift_factor": (None, 0, 0.0)}}

    @classmethod
    def find_conflicts(cls, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield whether the network reads other channels than those of the VAE's latents."""
        network, latents = configs[cls.NETWORK], configs["vae"]["latent_channels"]
        if network["in_channels"] != latents:
            yield (
                f"found {network['in_channels']} input channels of the {cls.NETWORK} (in_channels), expected the vae's {latents} latent "
                "channels: networks for inpainting, enlarging or editing read more and are not supported"
            )

    @classmethod
    def iter_latents(
        cls, checkpoint_dir: Path, pixels: NDArray[np.uint8], device: torch.device | str = "cpu"
    ) -> Iterator[NDArray[np.float32]]:
        """Yield (mean - shift) * scale of the VAE's posterior.

        The mean and not a sample: x must be a function of the image, as the key of a score names the image only.
        """
        import torch

        vae = load_vae(checkpoint_dir, cls).to(device)
        shift, scale = latent_shift_and_scale(vae.config)
        for rows in batch_slices(len(pixels), encode_batch_size(*pixels.shape[1:3])):
            # Convolutions on a GPU round to TF32 (three digits) by default; x must not depend on the device.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                x = torch.tensor(pixels[rows], device=device).permute(0, 3, 1, 2).float() / 127.5 - 1
                latents = (vae.encode(x).latent_dist.mean - shift) * scale
            yield latents.cpu().numpy()

    @classmethod
    def x_shape(cls, checkpoint_dir: Path, resolution: int) -> tuple[int, ...]:
        """Return channels, height and width of the latent."""
        config = json.loads((checkpoint_dir / cls.NETWORK / "config.json").read_text())
        side = resolution // pixels_per_latent(checkpoint_dir)
        return config["in_channels"], side, side

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        """Decode latents with the VAE, one image at a time."""
        import torch

        vae = load_vae(self.checkpoint_dir, type(self))
        shift, scale = latent_shift_and_scale(vae.config)
        with torch.inference_mode():
            return to_pixels(torch.cat([vae.decode(x[k] / scale + shift).sample for k in batch_slices(len(x), 1)]))


def encode_batch_size(height: int, width: int) -> int:
    """Return how many images of this size are encoded at once."""
    return max(1, min(VAE_BATCH, VAE_PIXELS // (height * width)))


def latent_shift_and_scale(config: FrozenDict) -> tuple[float, float]:
    """Return shift and scale of a VAE's configuration: x = (latent - shift) * scale."""
    return config.get("shift_factor") or 0.0, config.scaling_factor


def pixels_per_latent(checkpoint_dir: Path) -> int:
    """Return the ratio of an image's side to its latent's side, from the VAE's configuration."""
    config = json.loads((checkpoint_dir / "vae" / "config.json").read_text())
    return int(2 ** (len(config["block_out_channels"]) - 1))


def load_vae(checkpoint_dir: Path, family: type[LatentDenoiser]) -> AutoencoderKL:
    """Load the checkpoint's AutoencoderKL in float32 for every dtype of the network: its decoder overflows in half precision.

    Raises CheckpointError if its files are not whole, or its configuration is not supported.
    """
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    from diffzero.models.verification.parts import require_part

    require_part(checkpoint_dir, "vae", AutoencoderKL, family.CONFIG_VALUES.get("vae"))
    vae = AutoencoderKL.from_pretrained(
        checkpoint_dir, subfolder="vae", torch_dtype=torch.float32, use_safetensors=True
    )
    return vae.eval()
