"""The losses of the mini models, and saving them in the folder layouts of the large models."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, IFPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from diffzero.training import nets
from diffzero.training.captions import corpus
from diffzero.training.data import TrainingSet
from diffzero.training.loop import train_loop
from diffzero.training.recipe import SIZE, TrainConfig
from diffzero.typing import Pixels

KL_WEIGHT = 1e-6  # weight of the VAE's KL term per element, as in Rombach et al. 2022, Section 3.1


def to_tensor(pixels: Pixels, size: int = SIZE) -> Tensor:
    """Convert pixels [image, height, width, 3] uint8 to [image, 3, size, size] float32 in [-1, 1]."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x if size == SIZE else F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)


def train_vae(data: TrainingSet, out: Path, config: TrainConfig) -> None:
    """Train mini-sd's VAE and save it in `out`, with the scaling factor that gives its latents unit variance."""
    torch.manual_seed(config.seed)
    vae = nets.autoencoder()

    def loss(step: int) -> Tensor:
        """Return the reconstruction error plus the weighted KL divergence of one batch of images."""
        x = to_tensor(data.batch(config.seed, step, config.batch_size)[0])
        posterior = vae.encode(x).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(step))
        return (
            F.mse_loss(vae.decode(posterior.mean + posterior.std * noise).sample, x) + KL_WEIGHT * posterior.kl().mean()
        )

    def save(average: AutoencoderKL) -> None:
        with torch.no_grad():
            latents = average.encode(to_tensor(data.batch(config.seed, config.steps, 512)[0])).latent_dist.mean
        average.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
        average.save_pretrained(out)

    train_loop(vae, loss, config, save, out / "training.jsonl")


def add_noise(x: Tensor, scheduler: DDPMScheduler, seed: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Add noise at random timesteps to x of one training step.

    Parameters
    ----------
    x : Tensor
        [image, *x] float32.
    scheduler : DDPMScheduler
        The noise schedule.
    seed, step : int
        Noise and timesteps are a function of both.

    Returns
    -------
    tuple of Tensor
        x_t [image, *x] float32, eps [image, *x] float32 and the timesteps [image] int64.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    eps = torch.randn(x.shape, generator=generator)
    timestep = torch.randint(len(scheduler.alphas_cumprod), (len(x),), generator=generator)
    alpha_bar = scheduler.alphas_cumprod.double()[timestep].view(-1, 1, 1, 1)
    return (alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * eps).float(), eps, timestep


def truncated_snr_weight(scheduler: DDPMScheduler, timestep: Tensor, largest: float) -> Tensor:
    """Return the weight [image] of an eps error: max(1, 1 / SNR), at most `largest`.

    Notes
    -----
    It equals the truncated SNR weight max(SNR, 1) of an error in x. In the last third of a cosine schedule, the SNR is so low that the
    plain eps loss ignores it, but there the text determines the class of a small image. The bound is needed because the schedule ends
    at an SNR of 2e-9.

    References
    ----------
    Salimans & Ho 2022, Section 4.
    """
    alpha_bar = scheduler.alphas_cumprod.double()[timestep]
    return ((1 - alpha_bar) / alpha_bar).clamp(1, largest).float()


def tokenize_captions(tokenizer: Callable[..., dict[str, Tensor]], captions: list[str]) -> dict[str, Tensor]:
    """Return token ids and mask [caption, TOKENS] of the lower-cased captions; both pipelines lower-case prompts."""
    lower = [caption.lower() for caption in captions]
    return tokenizer(lower, padding="max_length", max_length=nets.TOKENS, truncation=False, return_tensors="pt")


def load_networks(start: Path | None, unet: UNet2DConditionModel, encoder: PreTrainedModel) -> torch.nn.ModuleDict:
    """Return the U-Net and the text encoder as one module, with the weights in the folder `start` if given."""
    if start is not None:
        unet.load_state_dict(type(unet).from_pretrained(start / "unet").state_dict())
        encoder.load_state_dict(type(encoder).from_pretrained(start / "text_encoder").state_dict())
    return torch.nn.ModuleDict({"unet": unet, "text_encoder": encoder})


@torch.no_grad()
def encode_latents(vae: AutoencoderKL, pixels: Pixels) -> Tensor:
    """Return the scaled latents [image, *x] of all training images, encoded in 64 chunks."""
    chunks = [vae.encode(to_tensor(chunk)).latent_dist.mean for chunk in np.array_split(pixels, 64)]
    return torch.cat(chunks) * vae.config.scaling_factor


def train_sd(data: TrainingSet, out: Path, config: TrainConfig, start: Path | None, vae_dir: Path | None) -> None:
    """Train mini-sd and save it in `out` as a StableDiffusionPipeline; U-Net and text encoder are trained together on eps.

    Parameters
    ----------
    data : TrainingSet
        Images and captions.
    out : Path
        Folder of the pipeline and of the learning curve `training.jsonl`.
    config : TrainConfig
        Hyperparameters.
    start : Path or None
        Folder of the earlier stage, from which all weights including the VAE's are taken.
    vae_dir : Path or None
        Folder of the VAE if there is no earlier stage.
    """
    torch.manual_seed(config.seed)
    vae = AutoencoderKL.from_pretrained(start / "vae" if start else vae_dir, torch_dtype=torch.float32)
    vae.requires_grad_(False)
    tokenizer = nets.clip_tokenizer(corpus())
    scheduler = nets.sd_scheduler()
    parts = load_networks(start, nets.sd_unet(), nets.clip_text_model(tokenizer))
    latents = encode_latents(vae, data.pixels)

    def loss(step: int) -> Tensor:
        """Return the mean squared error of eps in the latents of one batch."""
        rows, captions = data.sample_rows(config.seed, step, config.batch_size)
        x_t, eps, timestep = add_noise(latents[rows], scheduler, config.seed, step)
        states = parts["text_encoder"](tokenize_captions(tokenizer, captions)["input_ids"]).last_hidden_state
        return F.mse_loss(parts["unet"](x_t, timestep, states).sample, eps)

    def save(average: torch.nn.ModuleDict) -> None:
        """Write the averaged weights as a Stable Diffusion pipeline."""
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
        save_fp16(pipeline, out)

    train_loop(parts, loss, config, save, out / "training.jsonl")


def train_if(data: TrainingSet, out: Path, config: TrainConfig, start: Path | None) -> None:
    """Train mini-if and save it in `out` as an IFPipeline; U-Net and text encoder are trained together on eps.

    The weights of the output's variance half stay zero, which means halfway between the two variances of Nichol & Dhariwal 2021.
    """
    torch.manual_seed(config.seed)
    tokenizer, scheduler = nets.t5_tokenizer(corpus()), nets.if_scheduler()
    unet = nets.if_unet()
    parts = load_networks(start, unet, nets.t5_encoder(tokenizer))
    for parameter in unet.conv_out.parameters():
        parameter.data[3:] = 0

    def loss(step: int) -> Tensor:
        """Return the error of eps, weighted by the truncated SNR, in the pixels of one batch."""
        pixels, captions = data.batch(config.seed, step, config.batch_size)
        x_t, eps, timestep = add_noise(to_tensor(pixels, nets.IF_PIXELS), scheduler, config.seed, step)
        text = tokenize_captions(tokenizer, captions)
        states = parts["text_encoder"](text["input_ids"], attention_mask=text["attention_mask"]).last_hidden_state
        error = (unet(x_t, timestep, states).sample[:, :3] - eps).square().mean(dim=(1, 2, 3))
        return (truncated_snr_weight(scheduler, timestep, config.max_weight) * error).mean()

    def save(average: torch.nn.ModuleDict) -> None:
        networks = average["text_encoder"], average["unet"]
        save_fp16(IFPipeline(tokenizer, *networks, scheduler, None, None, None, requires_safety_checker=False), out)

    train_loop(parts, loss, config, save, out / "training.jsonl")


def save_fp16(pipeline: StableDiffusionPipeline | IFPipeline, out: Path) -> None:
    """Save a pipeline in fp16, then restore the fp32 weights of its modules, with which the training continues."""
    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    weights = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(out)
    pipeline.to(dtype=torch.float32)
    for module, state in zip(modules, weights, strict=True):
        module.load_state_dict(state)


def train_clip(data: TrainingSet, out: Path, config: TrainConfig, start: Path | None) -> None:
    """Train mini-clip with open_clip's model, tokenizer and loss, and save it in `out` as an open_clip `local-dir:` folder."""
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(nets.CLIP_CONFIG, indent=2))
    model, tokenizer = (
        open_clip.CLIP(**nets.CLIP_CONFIG["model_cfg"]),
        open_clip.SimpleTokenizer(context_length=nets.TOKENS),
    )
    if start:
        model.load_state_dict(load_file(start / "open_clip_model.safetensors"))
    clip_loss = open_clip.ClipLoss()
    mean, std = (torch.tensor(nets.CLIP_CONFIG["preprocess_cfg"][name]).view(1, 3, 1, 1) for name in ("mean", "std"))

    def loss(step: int) -> Tensor:
        """Return the contrastive loss of one batch of images and captions."""
        pixels, captions = data.batch(config.seed, step, config.batch_size)
        x = (to_tensor(pixels) / 2 + 0.5 - mean) / std
        return clip_loss(*model(x, tokenizer(captions)))

    def save(average: torch.nn.Module) -> None:
        half = {name: value.half().contiguous() for name, value in average.state_dict().items()}
        save_file(half, out / "open_clip_model.safetensors")

    train_loop(model, loss, config, save, out / "training.jsonl")
