"""Images that a model generates from class prompts (Figure 6), with diffusers' pipeline and the checkpoint's own sampler."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

MAX_PROMPTS = 10  # class prompts of a data set from which images are generated


@dataclass(frozen=True)
class SamplingSettings:
    """How images are generated."""

    images_per_prompt: int
    steps: int
    guidance: float  # guidance scale of classifier-free guidance
    seed: int
    resolution: int  # side of the images in pixels


def load_pipeline(checkpoint_dir: Path, dtype: torch.dtype, device: torch.device) -> DiffusionPipeline:
    """Load the checkpoint's diffusers pipeline without safety checker and watermark, which alter images.

    Raises
    ------
    ValueError
        If the checkpoint is a super-resolution stage.
    """
    from diffusers import DiffusionPipeline

    parts = DiffusionPipeline.load_config(checkpoint_dir)
    if "image_noising_scheduler" in parts:
        raise ValueError(
            f"{checkpoint_dir}: found a super-resolution stage, which cannot generate images from text. Remove it from `figure6_samples`."
        )
    left_out = {name: None for name in ("safety_checker", "feature_extractor", "watermarker") if name in parts}
    pipeline = DiffusionPipeline.from_pretrained(
        checkpoint_dir,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        requires_safety_checker=False,
        **left_out,
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(
    checkpoint_dir: Path, prompts: list[str], settings: SamplingSettings, dtype: torch.dtype, device: torch.device
) -> NDArray[np.uint8]:
    """Generate images [prompt, image, resolution, resolution, 3].

    Image k of a prompt does not depend on how many images and prompts there are.
    """
    import torch

    from diffzero.models.text_encoders import require_prompts_fit

    require_prompts_fit(checkpoint_dir, prompts)  # the pipeline would truncate
    pipeline = load_pipeline(checkpoint_dir, dtype, device)
    rows = []
    for number, prompt in enumerate(prompts):
        # One generator per image, on the CPU, as for the noise of scores.
        seeds = [1_000_003 * settings.seed + 1009 * number + k for k in range(settings.images_per_prompt)]
        with torch.inference_mode():
            images = pipeline(
                [prompt] * settings.images_per_prompt,
                height=settings.resolution,
                width=settings.resolution,
                num_inference_steps=settings.steps,
                guidance_scale=settings.guidance,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                output_type="np",
            ).images
        rows.append(np.rint(255 * np.clip(np.stack(list(images)), 0, 1)).astype(np.uint8))
    return np.stack(rows)
