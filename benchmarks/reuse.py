"""Measure the speed-up by exact reuse inside the network: the same batch with and without it, in alternating runs.

    .venv/bin/python benchmarks/reuse.py [--classes 8] [--turns 12]

Takes half an hour for one draw on one CPU thread; `make benchmark` measures a few runs of four classes.
"""

import source_path  # noqa: F401  # before the imports from diffzero

# isort: split
import argparse
import json
import time

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from diffzero.models.unet_cache import UNetCache

# Stable Diffusion v1.4's published configuration; timing does not depend on the weights, which are random.
SD_V1_4 = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SD_TOKENS = 77


def sd_v1_4(device: torch.device) -> UNet2DConditionModel:
    """Return the full-size network with random weights, in half precision on a GPU."""
    torch.manual_seed(0)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    return UNet2DConditionModel(**SD_V1_4).to(device, dtype).eval().requires_grad_(False)


@torch.inference_mode()
def reuse_ratios(
    unet: UNet2DConditionModel, tokens: int, draws: int, classes: int, turns: int
) -> tuple[list[float], float]:
    """Return the speed-up of every run, and the largest deviation divided by the standard deviation of the output."""
    config, device, dtype = unet.config, unet.device, unet.dtype
    generator = torch.Generator().manual_seed(0)
    shape = (draws, config.in_channels, config.sample_size, config.sample_size)
    x_t = torch.randn(shape, generator=generator).to(device, dtype)
    text = torch.randn((classes, tokens, config.cross_attention_dim), generator=generator).to(device, dtype)
    timestep = torch.randint(1000, (draws,), generator=generator).to(device)
    pair = torch.arange(draws, device=device).repeat_interleave(classes)
    prompt = torch.arange(classes, device=device).repeat(draws)
    reuse = UNetCache(unet)

    def timed(reusing: bool) -> tuple[torch.Tensor, float]:
        start = time.perf_counter()
        if reusing:
            with reuse.of(pair, prompt):
                output = unet(x_t[pair], timestep[pair], text[prompt]).sample
        else:
            output = unet(x_t[pair], timestep[pair], text[prompt]).sample
        output = output.float().cpu()  # waits for the device
        return output, time.perf_counter() - start

    plain, reused = timed(False)[0], timed(True)[0]
    deviation = ((plain - reused).abs().max() / plain.std()).item()
    return [timed(False)[1] / timed(True)[1] for _ in range(turns)], deviation


def reuse_speedup(device: torch.device, turns: int, classes: int = 4) -> dict:
    """Measure Stable Diffusion v1.4's architecture: one draw of `classes` on a CPU, eight draws of eight classes on a GPU."""
    draws, classes = (8, 8) if device.type == "cuda" else (1, classes)
    ratios, deviation = reuse_ratios(sd_v1_4(device), SD_TOKENS, draws, classes, turns)
    return {
        "reuse_speedup": float(np.median(ratios)),
        "reuse_turns": ratios,
        "reuse_batch": {"draws": draws, "classes": classes},
        "reuse_deviation": deviation,
    }


def main() -> None:
    """Run the benchmark and print its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--turns", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(reuse_speedup(torch.device("cpu"), options.turns, options.classes), indent=2))


if __name__ == "__main__":
    main()
