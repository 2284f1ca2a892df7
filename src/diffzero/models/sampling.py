"""Figure 6: pictures that a model makes from class prompts, through diffusers' own pipeline and the checkpoint's own sampler."""

from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray


@torch.inference_mode()
def sample(
    folder: Path, prompts: list[str], images: int, steps: int, guidance: float, seed: int, size: int,
    dtype: torch.dtype, device: torch.device,
) -> NDArray[np.uint8]:  # fmt: skip
    """Pictures [prompt, image, size, size, 3] uint8; picture k of a prompt is the same whatever the number of others."""
    # Without its safety checker and watermark: they would alter pictures that nobody is shown as photographs.
    if "image_noising_scheduler" in DiffusionPipeline.load_config(folder):
        raise ValueError(
            f"{folder}: found a super-resolution stage, which enlarges pictures and makes none. Take it out of `samples`."
        )
    extras = ("safety_checker", "feature_extractor", "watermarker")
    absent = {name: None for name in extras if name in DiffusionPipeline.load_config(folder)}
    pipeline = DiffusionPipeline.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True, requires_safety_checker=False,
        **absent,
    ).to(device)  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for number, prompt in enumerate(prompts):
        # Addressed as scores are: on the CPU, one generator a picture.
        generators = [torch.Generator().manual_seed(1_000_003 * seed + 1009 * number + k) for k in range(images)]
        made = pipeline(
            [prompt] * images, height=size, width=size, num_inference_steps=steps, guidance_scale=guidance,
            generator=generators, output_type="np",
        ).images  # fmt: skip
        rows.append(np.rint(255 * np.clip(np.stack(list(made)), 0, 1)).astype(np.uint8))
    return np.stack(rows)
