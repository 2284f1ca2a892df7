"""The engine on Stable Diffusion v1.4's architecture with random weights; timing does not depend on the weights.

One call takes seconds on a CPU, so there the same code runs on mini-sd's architecture and reports under other names.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from reuse import SD_TOKENS, sd_v1_4
from throughput import useful_fraction
from workload import Workload

from diffzero.diffusion.schedule import VPSchedule, betas
from diffzero.models.families.stable_diffusion import StableDiffusion
from diffzero.models.unet_cache import UNetCache
from diffzero.pruning.policies import Full
from diffzero.scoring.problem import Item, Problem
from diffzero.training.nets import TOKENS, sd_unet

BETAS = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
CLASSES, DRAWS = 10, 20
IMAGES = {"cpu": 16, "cuda": 64}  # 25 batches of 512 on a GPU: with fewer, half-empty last batches would dominate


class RandomStableDiffusion(StableDiffusion):
    """The family's adapter around a network without a checkpoint."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.checkpoint_dir, self.dtype, self.device = Path("random"), unet.dtype, unet.device
        self.schedule = VPSchedule(np.cumprod(1 - betas(BETAS)), "epsilon")
        self.unet, self.cache = unet, UNetCache(unet)


def random_work(unet: UNet2DConditionModel, tokens: int, images: int) -> Workload:
    """Return a workload of random images and prompts in the network's shapes, scored without pruning."""
    config, rng, names = unet.config, np.random.default_rng(0), [f"image {k}" for k in range(images)]
    prompts = [f"prompt {k}" for k in range(CLASSES)]
    problem = Problem(
        dataset="random",
        seed=0,
        unshared=False,
        images=names,
        image_keys=names,
        x=rng.standard_normal((images, config.in_channels, config.sample_size, config.sample_size), dtype=np.float32),
        prompts=prompts,
        prompt_keys=prompts,
        text={"states": rng.standard_normal((CLASSES, tokens, config.cross_attention_dim), dtype=np.float32)},
        items=[Item(name, k, np.arange(CLASSES)) for k, name in enumerate(names)],
    )
    return Workload(RandomStableDiffusion(unet), problem, np.zeros(images, dtype=np.int64), Full(max_scores=DRAWS))


def full_size(device: torch.device, turns: int, images: int | None = None, calls: int = 2048) -> dict:
    """Measure `sd_useful_fraction`, speed and peak memory by batch size on a GPU, or of the small network (`small_...`) on a CPU."""
    images = images or IMAGES[device.type]
    if device.type == "cuda":
        return useful_fraction(random_work(sd_v1_4(device), SD_TOKENS, images), turns, calls, "sd_")
    torch.manual_seed(0)
    small = sd_unet().to(device).eval().requires_grad_(False)
    return useful_fraction(random_work(small, TOKENS, images), turns, calls, "small_")
