"""Stable Diffusion 1.x and 2.x: a latent U-Net under a CLIP text encoder (Rombach et al. 2022)."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from diffzero.denoisers.base import Arrays, Tensors, check_length, in_batches, to_pixels
from diffzero.denoisers.reuse import Reuse
from diffzero.denoisers.unet import UNetDenoiser

ENCODE_BATCH = 16


class StableDiffusion(UNetDenoiser):
    """x is the VAE latent's mean, scaled; text is the encoder's last hidden state."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(folder, dtype, device)
        self.reuse = Reuse(self.unet)

    def reusing(self, pair: Tensor, prompt: Tensor) -> AbstractContextManager:
        return self.reuse.of(pair, prompt)

    def predict(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.unet(x_t, timestep, text["states"]).sample

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str]) -> Arrays:
        """CLIP's last hidden state, prompts padded to the tokenizer's length, as in StableDiffusionPipeline."""
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
        encoder = CLIPTextModel.from_pretrained(
            folder, subfolder="text_encoder", dtype=torch.float32, use_safetensors=True
        ).eval()
        limit = tokenizer.model_max_length
        check_length(prompts, [len(ids) for ids in tokenizer(prompts)["input_ids"]], limit, "CLIP tokenizer")
        ids = tokenizer(prompts, padding="max_length", max_length=limit, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            states = [encoder(ids[rows]).last_hidden_state for rows in in_batches(len(ids), ENCODE_BATCH)]
        return {"states": torch.cat(states).numpy()}

    @classmethod
    def encode_images(cls, folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The mean of the VAE's posterior, not a sample: x is then a function of the image alone, as a score's identity needs."""
        vae, latents = load_vae(folder), []
        with torch.inference_mode():
            for rows in in_batches(len(pixels), ENCODE_BATCH):
                x = torch.tensor(pixels[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
                latents.append(vae.encode(x).latent_dist.mean * vae.config.scaling_factor)
        return torch.cat(latents).numpy()

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        vae = load_vae(self.folder)
        with torch.inference_mode():
            return to_pixels(torch.cat([vae.decode(row / vae.config.scaling_factor).sample for row in x.split(1)]))


def load_vae(folder: Path) -> AutoencoderKL:
    """The checkpoint's VAE, in fp32 whatever the network's dtype: half precision overflows in its decoder."""
    return AutoencoderKL.from_pretrained(
        folder, subfolder="vae", torch_dtype=torch.float32, use_safetensors=True
    ).eval()
