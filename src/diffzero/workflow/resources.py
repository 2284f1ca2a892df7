"""Estimate the run time and memory of jobs from model, data set, shard size and attempt.

The estimates are generous, because a job that requests too little is killed. `diffzero.workflow.plan` predicts the actual cost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from diffzero.binding.lewis import LEWIS
from diffzero.config import Diffusion

if TYPE_CHECKING:  # `experiment` imports this module
    from diffzero.workflow.experiment import Experiment

MAX_MINUTES = 24 * 60  # where the profile has no walltime_cap
START_MINUTES = 10  # imports, weights from a slow disk, stored scores
UTILIZATION = 0.2  # share of a device's peak FLOP/s that a U-Net reaches; measured shares are higher
SLOWEST_GPU_TFLOPS = 112.0  # a V100 in half precision; GPUs of a cluster are rarely slower
CPU_TFLOPS = 0.02  # one core
UNKNOWN_GFLOPS = 1500.0
UNKNOWN_PARAMETERS = 1000  # millions
# Encoders run in float32 without TF32, which has a 16th of the half-precision peak, and reach half of that.
ENCODER_SHARE = 1 / 32
VAE_GFLOPS = 4500.0  # of the encoder of an AutoencoderKL, per million pixels
T5_PARAMETERS = 4762  # millions, of the encoder of T5-XXL: the largest text encoder of any family
LONGEST_PROMPT_TOKENS = 256  # of a padded prompt, in the family with the longest prompts
BASELINE_GFLOPS = 160.0  # per image: CLIP ViT-L/14 at 224 pixels, the largest configured baseline
SCENE_PROMPTS = 400  # different sentences about thousands of scenes: 377 in the paper's run
SMALL_SECONDS = 120.0  # encoding a small data set takes less than starting a job and loading the encoders


def calls_per_second(model: Diffusion, tflops: float, utilization: float = UTILIZATION) -> float:
    """Estimate the calls per second of a model on a device with this half-precision peak; float32 reaches half of it."""
    peak = tflops / 2 if model.dtype == "float32" else tflops
    return 1000 * peak * utilization / (model.gflops or UNKNOWN_GFLOPS)


def score_minutes(calls: float, model: Diffusion, device: str, attempt: int, max_minutes: int) -> int:
    """Return the minutes to request for a score job on the slowest supported device; later attempts request more.

    A job that still meets its limit gets SIGTERM and stores its scores; the next attempt continues from there.
    """
    speed = calls_per_second(model, CPU_TFLOPS if device == "cpu" else SLOWEST_GPU_TFLOPS)
    return min(math.ceil((START_MINUTES + calls / speed / 60) * attempt), max_minutes)


def latent_gflops(model: Diffusion, images: int) -> float:
    """Estimate the GFLOPs of all x of a data set; an upper bound for pixel models, where x is the image itself."""
    return images * model.resolution**2 / 1e6 * VAE_GFLOPS


def text_gflops(model: Diffusion, prompts: int) -> float:
    """Estimate the GFLOPs of all text embeddings of a data set: 2 FLOPs per parameter and token."""
    return 2e-3 * (model.text_parameters or T5_PARAMETERS) * LONGEST_PROMPT_TOKENS * prompts


def image_bound(experiment: Experiment, dataset: str) -> int:
    """Return an upper bound of the number of images of a data set, known before any data are prepared."""
    if dataset not in experiment.scene_datasets:
        return experiment.run.max_images
    binding = experiment.run.attribute_binding
    return binding.lewis.max_images if dataset == LEWIS and binding and binding.lewis else experiment.scene_count


def encoding_gflops(experiment: Experiment, model: str, dataset: str) -> tuple[float, float]:
    """Estimate the GFLOPs of the latents and of the text embeddings of one data set."""
    settings = experiment.model(model)
    prompts = SCENE_PROMPTS if dataset in experiment.scene_datasets else experiment.class_count(dataset)
    return latent_gflops(settings, image_bound(experiment, dataset)), text_gflops(settings, prompts)


def encoder_tflops(device: str, tflops: float) -> float:
    """Return the TFLOP/s that encoders reach on a device with this half-precision peak."""
    return CPU_TFLOPS if device == "cpu" else ENCODER_SHARE * tflops


def encoder_seconds(gflops: float, device: str) -> float:
    """Estimate the seconds of an encoder on the slowest supported device."""
    return gflops / 1000 / encoder_tflops(device, SLOWEST_GPU_TFLOPS)


def encoder_minutes(gflops: float, device: str, attempt: int, max_minutes: int) -> int:
    """Return the minutes to request for a job that runs a text or image encoder; every attempt starts from the beginning."""
    return min(math.ceil((START_MINUTES + encoder_seconds(gflops, device) / 60) * attempt), max_minutes)


def small_datasets(experiment: Experiment) -> list[str]:
    """Return the data sets that one job per model encodes together, because starting one job per data set would take longer.

    Every model of the run scores each of them, and no model takes more than SMALL_SECONDS to encode one.
    """
    models: dict[str, set[str]] = {}
    for scoring in experiment.scorings.values():
        models.setdefault(scoring.dataset, set()).add(scoring.model)

    def is_small(dataset: str) -> bool:
        gflops = (sum(encoding_gflops(experiment, model, dataset)) for model in models[dataset])
        return all(encoder_seconds(count, experiment.run.device) <= SMALL_SECONDS for count in gflops)

    every = set().union(*models.values())
    return [dataset for dataset in models if models[dataset] == every and is_small(dataset)]


def gflops_outside_scoring(experiment: Experiment) -> dict[str, float]:
    """Estimate the GFLOPs of latents, text embeddings and baselines of the whole run."""
    pairs = {(scoring.model, scoring.dataset) for scoring in experiment.scorings.values()}
    encoded = [encoding_gflops(experiment, *pair) for pair in pairs]
    images = [
        image_bound(experiment, dataset)
        for dataset in {dataset for _, dataset in pairs}
        for _ in experiment.baseline_predictions(dataset)
    ]
    latents, text = (sum(column) for column in zip(*encoded, strict=True))
    return {"latents": latents, "text": text, "baselines": BASELINE_GFLOPS * sum(images)}


def hours_outside_scoring(experiment: Experiment, device: str, tflops: float) -> dict[str, float]:
    """Estimate the GPU-hours of latents, text embeddings and baselines on a device with this half-precision peak."""
    speed = 1000 * encoder_tflops(device, tflops)
    return {name: count / speed / 3600 for name, count in gflops_outside_scoring(experiment).items()}


def denoiser_memory(model: Diffusion, attempt: int) -> int:
    """Return the MB of main memory to request for loading the denoiser: 6 bytes per parameter, for the file and its cast copy."""
    return attempt * (4000 + 6 * (model.parameters or UNKNOWN_PARAMETERS))


def encoder_memory(model: Diffusion, attempt: int) -> int:
    """Return the MB to request for loading the text encoders: 4 bytes per parameter, and as many for a thousand embeddings."""
    return attempt * (6000 + 8 * (model.text_parameters or T5_PARAMETERS))
