"""Tiny checkpoints with random weights, in the folder layout of the real ones."""

from pathlib import Path

import pytest
import torch
from diffusers import IFPipeline, StableDiffusionPipeline

from diffzero.mini import architectures as mini
from diffzero.mini.captions import corpus

# Networks this small lose time to threads, and minutes on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder as StableDiffusionPipeline.save_pretrained writes it, fp32."""
    torch.manual_seed(1)
    folder, tokenizer = tmp_path_factory.mktemp("tiny-sd"), mini.clip_tokenizer(corpus())
    vae = mini.autoencoder()
    vae.register_to_config(scaling_factor=0.7)  # neither 1 nor the default: forgetting it shows
    parts = (vae, mini.clip_text_model(tokenizer), tokenizer, mini.sd_unet(), mini.sd_scheduler())
    StableDiffusionPipeline(*parts, None, None, requires_safety_checker=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_if(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DeepFloyd IF-I folder as IFPipeline.save_pretrained writes it, fp32."""
    torch.manual_seed(2)
    folder, tokenizer = tmp_path_factory.mktemp("tiny-if"), mini.t5_tokenizer(corpus())
    parts = (tokenizer, mini.t5_encoder(tokenizer), mini.if_unet(), mini.if_scheduler())
    IFPipeline(*parts, None, None, None, requires_safety_checker=False).save_pretrained(folder)
    return folder
