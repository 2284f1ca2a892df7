"""What a job needs, from what it does: minutes and memory as functions of model, data set, shard size and attempt.

Deliberately generous: a job that asks for too little is killed. `plan.py` says what a run will really cost.
"""

import math

from diffzero.config import Diffusion
from diffzero.pruning.policies import FixedStages, Policy, TTest

LONGEST_MINUTES = 24 * 60  # where the profile has no walltime_cap
START_MINUTES = 10  # imports, weights from a slow disk, stored scores
EFFICIENCY = 0.2  # share of a device's peak that a U-Net reaches; measured ones lie above
SLOWEST_GPU_TFLOPS = 112.0  # a V100 in half precision: a site's GPU is hardly slower
CPU_TFLOPS = 0.02  # one core
UNKNOWN_GFLOPS = 1500.0
UNKNOWN_PARAMETERS = 1000  # millions
ENCODER_SHARE = 1 / 32  # of that peak: encoders run in float32 without TF32, a 16th of it, and reach half of that
VAE_GFLOPS = 4500.0  # of an AutoencoderKL's encoder, per million pixels
T5_PARAMETERS = 4762  # millions, of T5-XXL's encoder: the largest that a family has
TEXT_TOKENS = 256  # of a prompt, padded, where it is longest
CALLS_ABOVE_FLOOR = 3.0  # of a t-test race; the paper's 2000 draws allow 100, its measurements are below 3


def calls_a_race(policy: Policy, classes: int) -> float:
    """Calls of one race before anything is measured: the floor `classes` x min_scores and a share above it."""
    if isinstance(policy, TTest):
        return float(classes * min(CALLS_ABOVE_FLOOR * policy.min_scores, policy.max_scores))
    if isinstance(policy, FixedStages):
        keep = (classes, *(min(k, classes) for k in policy.keep))
        drawn = (0, *policy.draws)
        return float(sum(keep[i] * (drawn[i + 1] - drawn[i]) for i in range(len(policy.draws))))
    return float(classes * policy.max_scores)


def fewest_and_most_calls(policy: Policy, classes: int) -> tuple[float, float]:
    """The bounds of one race's calls: of Algorithm 1, all but one class dropped at once, or none before max_scores."""
    if isinstance(policy, TTest):
        return float(classes * policy.min_scores), float(classes * policy.max_scores)
    return (calls_a_race(policy, classes),) * 2


def calls_a_second(model: Diffusion, tflops: float, efficiency: float = EFFICIENCY) -> float:
    """Calls a second of a device with this peak. Half of it in float32."""
    peak = tflops / 2 if model.dtype == "float32" else tflops
    return 1000 * peak * efficiency / (model.gflops or UNKNOWN_GFLOPS)


def minutes(calls: float, model: Diffusion, device: str, attempt: int, longest: int) -> int:
    """Minutes to ask for: those of the slowest device in use, more with every attempt, at most `longest`.

    A job that meets its limit all the same is told by SIGTERM, stores what it has, and its next attempt goes on from there.
    """
    speed = calls_a_second(model, CPU_TFLOPS if device == "cpu" else SLOWEST_GPU_TFLOPS)
    return min(math.ceil((START_MINUTES + calls / speed / 60) * attempt), longest)


def latent_gflops(model: Diffusion, images: int) -> float:
    """Of all x of a data set; an upper bound where x is the image itself."""
    return images * model.size**2 / 1e6 * VAE_GFLOPS


def text_gflops(model: Diffusion, prompts: int) -> float:
    """Of all text embeddings of a data set: 2 a parameter and token."""
    return 2e-3 * (model.text_parameters or T5_PARAMETERS) * TEXT_TOKENS * prompts


def encoder_tflops(device: str, tflops: float) -> float:
    """What encoders reach of a device with this peak in half precision."""
    return CPU_TFLOPS if device == "cpu" else ENCODER_SHARE * tflops


def encoder_minutes(gflops: float, device: str, attempt: int, longest: int) -> int:
    """Minutes to ask for so many operations of a text or image encoder. Such a job starts anew at every attempt."""
    seconds = gflops / 1000 / encoder_tflops(device, SLOWEST_GPU_TFLOPS)
    return min(math.ceil((START_MINUTES + seconds / 60) * attempt), longest)


def denoiser_memory(model: Diffusion, attempt: int) -> int:
    """Megabytes of main memory for a job that loads the denoiser: 6 bytes a parameter (the file, and its copy while it is cast)."""
    return attempt * (4000 + 6 * (model.parameters or UNKNOWN_PARAMETERS))


def encoder_memory(model: Diffusion, attempt: int) -> int:
    """Megabytes for a job that loads the text encoders: 4 bytes a parameter, as much again for what a thousand prompts become."""
    return attempt * (6000 + 8 * (model.text_parameters or T5_PARAMETERS))
