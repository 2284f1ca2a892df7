"""Deviations of diffzero's predictions, text embeddings and latents from those of diffusers' own pipelines, for every family.

`.venv/bin/python tests/support/deviations.py` prints the largest deviation of each family as a table.
"""

import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, DiffusionPipeline
from PIL import Image
from torch import Tensor

from diffzero.models import load
from diffzero.models.base import Denoiser
from families import FAMILIES, PROMPT, PROMPTS, Reference, write_checkpoint

STEPS = 41  # noise levels from the first timestep to the last


@dataclass(frozen=True)
class NetworkCall:
    """One call of the network inside a pipeline."""

    t: float
    x_t: Tensor
    theirs: Tensor  # the scheduler's prediction of x
    clipped: Tensor | None  # the same with clip_sample, for pixel models
    text: dict[str, Tensor]


class Recorder(DDPMScheduler):
    """A scheduler with the checkpoint's configuration that records its inputs and its predictions of x."""

    def step(self, model_output, timestep, sample, **options):
        x_hat = {
            clip: super(Recorder, self.copy(clip)).step(model_output, timestep, sample).pred_original_sample
            for clip in (False, True)
        }
        self.seen.append((int(timestep), sample.clone(), x_hat[False], x_hat[True]))
        return super().step(model_output, timestep, sample, **options)

    def copy(self, clip: bool) -> "Recorder":
        made = Recorder.from_config(self.config, clip_sample=clip)
        made.set_timesteps(STEPS)
        return made


def load_pipeline(checkpoint_dir: Path, reference: Reference) -> DiffusionPipeline:
    """Load the checkpoint with diffusers."""
    pipe = DiffusionPipeline.from_pretrained(checkpoint_dir, **reference.load_options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def call_options(reference: Reference) -> dict:
    """Return the options for one plain prompt without guidance."""
    common = {"prompt": PROMPT, "guidance_scale": 1.0, "generator": torch.Generator().manual_seed(0)}
    return common | reference.call


def encode_text(denoiser: Denoiser, prompts: list[str]) -> dict[str, Tensor]:
    """Return our own text inputs [prompt, ...]."""
    return {name: torch.from_numpy(v) for name, v in denoiser.encode_text(denoiser.checkpoint_dir, prompts).items()}


def record_calls(pipe, denoiser: Denoiser, reference: Reference) -> list[NetworkCall]:
    """Record the network's calls in one run of the pipeline, from the last timestep to the first."""
    if denoiser.schedule.prediction_type == "flow":
        return record_flow_calls(pipe, denoiser, reference)
    pixels = not hasattr(pipe, "vae")
    # Timesteps cover the whole schedule; neither side thresholds. Clipping keeps the run of a random pixel model finite;
    # the predictions are recorded with and without it.
    plain = {"timestep_spacing": "linspace", "thresholding": False, "clip_sample": pixels}
    pipe.scheduler = Recorder.from_config(pipe.scheduler.config, **plain)
    pipe.scheduler.seen = []
    given: list[dict[str, Tensor]] = []
    if "image" in reference.call:  # the small image as the pipeline noised it
        pipe.unet.register_forward_pre_hook(lambda module, arguments: given.append({"small": arguments[0][:, 3:]}))
    pipe(num_inference_steps=STEPS, **call_options(reference))
    text, steps = encode_text(denoiser, [PROMPT]), denoiser.schedule.steps
    return [
        NetworkCall(
            (timestep + 0.5) / steps, x_t, theirs, clipped if pixels else None, text | (given or [{}] * STEPS)[call]
        )
        for call, (timestep, x_t, theirs, clipped) in enumerate(pipe.scheduler.seen)
    ]


def record_flow_calls(pipe, denoiser: Denoiser, reference: Reference) -> list[NetworkCall]:
    """Record one-step runs: a step of the scheduler from noise level sigma to 0 ends at its prediction of x."""
    text, found, steps = encode_text(denoiser, [PROMPT]), [], denoiser.schedule.steps
    for k in np.linspace(0, steps - 1, STEPS).astype(int):
        x_t = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(int(k)))
        level = {"latents": x_t.clone(), "num_inference_steps": 1, "sigmas": [(k + 1) / steps]}
        found.append(NetworkCall((k + 0.5) / steps, x_t, pipe(**call_options(reference), **level).images, None, text))
    return found


def relative_difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference divided by the largest value."""
    assert ours.shape == theirs.shape, f"found {tuple(ours.shape)}, expected {tuple(theirs.shape)}"
    assert theirs.isfinite().all() and theirs.abs().max() > 0
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


def pipeline_latents(pipe, pixels) -> Tensor:
    """Encode images with the pipeline's image processor and VAE, as img2img does, with the posterior's mean."""
    vae = pipe.vae
    x = pipe.image_processor.preprocess([Image.fromarray(picture) for picture in pixels])
    return (vae.encode(x).latent_dist.mean - (vae.config.shift_factor or 0)) * vae.config.scaling_factor


@torch.inference_mode()
def deviations(name: str, checkpoint_dir: Path) -> dict[str, float]:
    """Return the largest relative deviations of a checkpoint: x0 over all t, x0 clipped (pixel models), text, latents."""
    reference = FAMILIES[name]
    denoiser, pipe = load(checkpoint_dir, "float32", "cpu"), load_pipeline(checkpoint_dir, reference)
    text, theirs = encode_text(denoiser, PROMPTS), reference.encode_prompts(pipe)
    assert text.keys() == theirs.keys()
    found = {"text": max(relative_difference(text[name], theirs[name]) for name in theirs)}
    if hasattr(pipe, "vae"):
        pixels = np.random.default_rng(0).integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)  # more than one batch
        ours = torch.from_numpy(denoiser.encode_images(checkpoint_dir, pixels))
        found["latents"] = relative_difference(ours, pipeline_latents(pipe, pixels))
    calls = record_calls(pipe, denoiser, reference)
    times = [call.t for call in calls]
    assert len(calls) == STEPS and min(times) < 0.001 and max(times) > 0.999
    plain = [Denoiser.x0(denoiser, call.x_t, np.array([call.t]), call.text) for call in calls]
    found["x0"] = max(relative_difference(ours, call.theirs) for ours, call in zip(plain, calls, strict=True))
    if calls[0].clipped is not None:
        clipped = [denoiser.x0(call.x_t, np.array([call.t]), call.text) for call in calls]
        found["x0 clipped"] = max(
            relative_difference(ours, call.clipped) for ours, call in zip(clipped, calls, strict=True)
        )
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Format the deviations as Markdown, one row per family."""
    columns = ["x0", "x0 clipped", "text", "latents"]
    lines = ["| Family | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for name, values in found.items():
        cells = [f"{values[column]:.1e}" if column in values else "" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        print(table({name: deviations(name, write_checkpoint(name, Path(scratch) / name)) for name in FAMILIES}))
