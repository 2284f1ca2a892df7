"""Training of the mini models: one loop, three losses.

The result depends on the seed and the number of steps alone, on one kind of processor and one build of torch.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, IFPipeline, StableDiffusionPipeline
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from diffzero.mini import architectures as mini
from diffzero.mini.captions import corpus
from diffzero.mini.data import SIZE, TrainingSet

EMA_DECAY = 0.998
WARM_UP = 200  # steps
SAVE_EVERY = 500  # steps; a training that is cut off leaves a model that loads
KL_WEIGHT = 1e-6  # of the VAE, per element: as in Rombach et al. 2022, Section 3.1


@dataclass(frozen=True)
class Length:
    """How long a model is trained; with the data, all that decides its weights."""

    steps: int
    batch: int
    seed: int
    horizon: int  # steps over which the learning rate falls; more than `steps` ends before it has fallen


def to_tensor(pixels: NDArray[np.uint8], size: int = SIZE) -> Tensor:
    """Pixels [image, height, width, 3] uint8 as [image, 3, size, size] in [-1, 1], fp32."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x if size == SIZE else F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)


def learning_rate(step: int, horizon: int) -> float:
    """Share of the peak rate: a linear warm-up, then half a cosine down to 2 %."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / horizon))


def fit(
    module: torch.nn.Module,
    loss: Callable[[int], Tensor],
    length: Length,
    rate: float,
    save: Callable[[torch.nn.Module], None],
    log: Path,
) -> torch.nn.Module:
    """The moving average of `module`'s weights after `length.steps` steps of AdamW on `loss(step)`.

    `save` gets the average every SAVE_EVERY steps and at the end; `log` gets one JSON line each time: step, loss, seconds.
    """
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, length.horizon))
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
    start, recent = time.monotonic(), []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1) as stream:
        for step in range(length.steps):
            value = loss(step)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(module)
            recent.append(value.item())
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == length.steps:
                save(average.module)
                line = {"step": step + 1, "loss": float(np.mean(recent)), "seconds": time.monotonic() - start}
                stream.write(json.dumps(line) + "\n")
                recent.clear()
    return average.module


def train_vae(data: TrainingSet, out: Path, length: Length) -> None:
    """Write mini-sd's VAE to `out`, with the scaling factor that gives its latents unit variance."""
    torch.manual_seed(length.seed)
    vae = mini.autoencoder()

    def loss(step: int) -> Tensor:
        x = to_tensor(data.batch(length.seed, step, length.batch)[0])
        posterior = vae.encode(x).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(step))
        return (
            F.mse_loss(vae.decode(posterior.mean + posterior.std * noise).sample, x) + KL_WEIGHT * posterior.kl().mean()
        )

    def save(average: AutoencoderKL) -> None:
        with torch.no_grad():
            latents = average.encode(to_tensor(data.batch(length.seed, length.steps, 512)[0])).latent_dist.mean
        average.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
        average.save_pretrained(out)

    fit(vae, loss, length, 2e-3, save, out / "training.jsonl")


def noisy(x: Tensor, scheduler: DDPMScheduler, seed: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """x_t, eps and timesteps of one training step, addressed by (seed, step)."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    eps = torch.randn(x.shape, generator=generator)
    timestep = torch.randint(len(scheduler.alphas_cumprod), (len(x),), generator=generator)
    alpha_bar = scheduler.alphas_cumprod.double()[timestep].view(-1, 1, 1, 1)
    return (alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * eps).float(), eps, timestep


def tokens(tokenizer: Callable, captions: list[str]) -> dict[str, Tensor]:
    """Token ids and mask [caption, TOKENS]; lower-case, as both pipelines do with prompts."""
    lower = [caption.lower() for caption in captions]
    return tokenizer(lower, padding="max_length", max_length=mini.TOKENS, truncation=False, return_tensors="pt")


def train_sd(data: TrainingSet, vae_folder: Path, out: Path, length: Length) -> None:
    """Write mini-sd, a StableDiffusionPipeline folder, to `out`: U-Net and text encoder trained together on eps."""
    torch.manual_seed(length.seed)
    vae = AutoencoderKL.from_pretrained(vae_folder).requires_grad_(False)
    tokenizer, scheduler = mini.clip_tokenizer(corpus()), mini.sd_scheduler()
    parts = torch.nn.ModuleDict({"unet": mini.sd_unet(), "text_encoder": mini.clip_text_model(tokenizer)})
    with torch.no_grad():
        chunks = [vae.encode(to_tensor(chunk)).latent_dist.mean for chunk in np.array_split(data.pixels, 64)]
    latents = torch.cat(chunks) * vae.config.scaling_factor
    rows = TrainingSet(latents, data.facts, data.domains)

    def loss(step: int) -> Tensor:
        x, captions = rows.batch(length.seed, step, length.batch)
        x_t, eps, timestep = noisy(x, scheduler, length.seed, step)
        states = parts["text_encoder"](tokens(tokenizer, captions)["input_ids"]).last_hidden_state
        return F.mse_loss(parts["unet"](x_t, timestep, states).sample, eps)

    def save(average: torch.nn.ModuleDict) -> None:
        pipeline = StableDiffusionPipeline(
            vae,
            average["text_encoder"],
            tokenizer,
            average["unet"],
            scheduler,
            None,
            None,
            requires_safety_checker=False,
        )
        save_half(pipeline, out)

    fit(parts, loss, length, 8e-4, save, out / "training.jsonl")


def train_if(data: TrainingSet, out: Path, length: Length) -> None:
    """Write mini-if, an IFPipeline folder, to `out`: U-Net and text encoder trained together on eps.

    The variance half of the output keeps its zero weights: halfway between the two variances of Nichol & Dhariwal 2021.
    """
    torch.manual_seed(length.seed)
    tokenizer, scheduler = mini.t5_tokenizer(corpus()), mini.if_scheduler()
    parts = torch.nn.ModuleDict({"unet": mini.if_unet(), "text_encoder": mini.t5_encoder(tokenizer)})
    for parameter in parts["unet"].conv_out.parameters():
        parameter.data[3:] = 0

    def loss(step: int) -> Tensor:
        pixels, captions = data.batch(length.seed, step, length.batch)
        x_t, eps, timestep = noisy(to_tensor(pixels, mini.IF_PIXELS), scheduler, length.seed, step)
        text = tokens(tokenizer, captions)
        states = parts["text_encoder"](text["input_ids"], attention_mask=text["attention_mask"]).last_hidden_state
        return F.mse_loss(parts["unet"](x_t, timestep, states).sample[:, :3], eps)

    def save(average: torch.nn.ModuleDict) -> None:
        encoder, unet = average["text_encoder"], average["unet"]
        save_half(IFPipeline(tokenizer, encoder, unet, scheduler, None, None, None, requires_safety_checker=False), out)

    fit(parts, loss, length, 8e-4, save, out / "training.jsonl")


def save_half(pipeline: StableDiffusionPipeline | IFPipeline, out: Path) -> None:
    """Save a pipeline folder in fp16 and give its modules their fp32 weights back, which half precision would otherwise round for good."""
    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    weights = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(out)
    pipeline.to(dtype=torch.float32)
    for module, state in zip(modules, weights, strict=True):
        module.load_state_dict(state)


def train_clip(data: TrainingSet, out: Path, length: Length) -> None:
    """Write mini-clip, an open_clip `local-dir:` folder, to `out`: open_clip's own model, tokenizer and loss."""
    torch.manual_seed(length.seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(mini.CLIP_CONFIG, indent=2))
    model, tokenizer = (
        open_clip.CLIP(**mini.CLIP_CONFIG["model_cfg"]),
        open_clip.SimpleTokenizer(context_length=mini.TOKENS),
    )
    contrast = open_clip.ClipLoss()
    mean, std = (torch.tensor(mini.CLIP_CONFIG["preprocess_cfg"][name]).view(1, 3, 1, 1) for name in ("mean", "std"))

    def loss(step: int) -> Tensor:
        pixels, captions = data.batch(length.seed, step, length.batch)
        x = (to_tensor(pixels) / 2 + 0.5 - mean) / std
        return contrast(*model(x, tokenizer(captions)))

    def save(average: torch.nn.Module) -> None:
        half = {name: value.half().contiguous() for name, value in average.state_dict().items()}
        save_file(half, out / "open_clip_model.safetensors")

    fit(model, loss, length, 1e-3, save, out / "training.jsonl")
