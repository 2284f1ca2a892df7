"""Tiny checkpoints with random weights of every family, and how to call their diffusers pipelines as a reference.

A function with the decorator `reference` builds the pipeline of one checkpoint; the tests of all families run on each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    IFPipeline,
    IFSuperResolutionPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Tokenizer

from diffzero.training import nets
from diffzero.training.captions import corpus

PROMPT = 'a photo of the number: "7".'
PROMPTS = [PROMPT, "a photo of a sneaker.", "", "On the left is a small red sphere."]
NO_GUIDANCE = {"do_classifier_free_guidance": False, "device": "cpu"}
# How a pipeline is called for one plain prompt: without caption cleaning and without bins of resolutions.
LATENT_CALL = {"height": 32, "width": 32, "output_type": "latent"}
PIXEL_CALL = {"clean_caption": False, "output_type": "pt"}
SMALL_IMAGE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))  # for IF-II
PIXART_CALL = LATENT_CALL | {"clean_caption": False, "use_resolution_binning": False}

LATENT = {"sample_size": 8, "in_channels": 8}
SCALED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@dataclass(frozen=True)
class Reference:
    """A tiny checkpoint, and how its diffusers pipeline is called."""

    build: Callable[[], DiffusionPipeline]
    call: dict[str, object]  # options of the pipeline's call
    encode_prompts: Callable[[DiffusionPipeline], dict[str, torch.Tensor]]  # text inputs of PROMPTS under our names
    load_options: dict[str, None] = field(default_factory=dict)  # options of from_pretrained


FAMILIES: dict[str, Reference] = {}


def encode_states(pipe) -> dict[str, torch.Tensor]:
    """Encode PROMPTS with a pipeline whose first embedding is all that the network reads."""
    return {"states": pipe.encode_prompt(PROMPTS, num_images_per_prompt=1, **NO_GUIDANCE)[0]}


def encode_with_mask(pipe) -> dict[str, torch.Tensor]:
    """Encode PROMPTS with a PixArt pipeline."""
    states, mask, _, _ = pipe.encode_prompt(PROMPTS, **NO_GUIDANCE)
    return {"states": states, "mask": mask}


def encode_sdxl(pipe) -> dict[str, torch.Tensor]:
    """Encode PROMPTS with Stable Diffusion XL."""
    states, _, pooled, _ = pipe.encode_prompt(PROMPTS, **NO_GUIDANCE)
    return {"states": states, "pooled": pooled}


def encode_sd3(pipe) -> dict[str, torch.Tensor]:
    """Encode PROMPTS with Stable Diffusion 3."""
    states, _, pooled, _ = pipe.encode_prompt(PROMPTS, None, None, **NO_GUIDANCE)
    return {"states": states, "pooled": pooled}


def reference(name: str, call: dict, encode_prompts: Callable = encode_states, load_options: dict | None = None):
    """Register the decorated function as the builder of the tiny checkpoint `name`."""

    def register(build: Callable[[], DiffusionPipeline]) -> Callable[[], DiffusionPipeline]:
        FAMILIES[name] = Reference(build, call, encode_prompts, load_options or {})
        return build

    return register


def vae(**options) -> AutoencoderKL:
    """Return a small VAE whose scale is neither 1 nor the default, so that a missing scale changes the result."""
    made = nets.autoencoder()
    made.register_to_config(scaling_factor=0.7, **options)
    return made


def clip(tokenizer, width: int, projected: bool) -> CLIPTextModel | CLIPTextModelWithProjection:
    """Return a CLIP text encoder of three layers, so that the penultimate layer is neither the last nor the first."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=64,
        projection_dim=width // 2,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=nets.TOKENS,
        hidden_act="gelu" if projected else "quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def long_t5_tokenizer() -> T5Tokenizer:
    """Return a T5 tokenizer that allows more tokens than the pipelines use, as the original ones do."""
    tokenizer = nets.t5_tokenizer(corpus())
    tokenizer.model_max_length = 512
    return tokenizer


def sd(scheduler) -> StableDiffusionPipeline:
    tokenizer = nets.clip_tokenizer(corpus())
    parts = (vae(), nets.clip_text_model(tokenizer), tokenizer, nets.sd_unet(), scheduler)
    return StableDiffusionPipeline(*parts, None, None, requires_safety_checker=False)


@reference("Stable Diffusion 1.x", LATENT_CALL)
def sd1() -> StableDiffusionPipeline:
    return sd(nets.sd_scheduler())


@reference("Stable Diffusion 2.x, v", LATENT_CALL)
def sd2_v() -> StableDiffusionPipeline:
    """Stable Diffusion 2.1 at 768 pixels: v-prediction under DDIM."""
    return sd(DDIMScheduler(**SCALED, prediction_type="v_prediction", set_alpha_to_one=False, steps_offset=1))


@reference("Stable Diffusion 2.x, v, zero terminal SNR", LATENT_CALL)
def sd2_zero() -> StableDiffusionPipeline:
    """v-prediction with a schedule that ends in pure noise."""
    return sd(DDIMScheduler(**SCALED, prediction_type="v_prediction", rescale_betas_zero_snr=True))


@reference("Stable Diffusion XL", LATENT_CALL, encode_sdxl)
def sdxl() -> StableDiffusionXLPipeline:
    tokenizer = nets.clip_tokenizer(corpus())
    unet = UNet2DConditionModel(
        **LATENT,
        out_channels=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        cross_attention_dim=32 + 64,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        norm_num_groups=8,
    )
    encoders = clip(tokenizer, 32, False), clip(tokenizer, 64, True)
    return StableDiffusionXLPipeline(vae(), *encoders, tokenizer, tokenizer, unet, EulerDiscreteScheduler(**SCALED))


@reference("Stable Diffusion 3", LATENT_CALL, encode_sd3)
def sd3(with_t5: bool = True) -> StableDiffusion3Pipeline:
    tokenizer, long = nets.clip_tokenizer(corpus()), long_t5_tokenizer()
    transformer = SD3Transformer2DModel(
        **LATENT,
        out_channels=8,
        patch_size=2,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=nets.WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=16 + 32,
        pos_embed_max_size=16,
    )
    parts = {
        "transformer": transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "vae": vae(shift_factor=0.3),
        "text_encoder": clip(tokenizer, 32, True),
        "tokenizer": tokenizer,
        "text_encoder_2": clip(tokenizer, 64, True),
        "tokenizer_2": tokenizer,
        "text_encoder_3": nets.t5_encoder(long) if with_t5 else None,
        "tokenizer_3": long if with_t5 else None,
    }
    return StableDiffusion3Pipeline(**parts)


@reference("Stable Diffusion 3 without T5", LATENT_CALL, encode_sd3, {"text_encoder_3": None, "tokenizer_3": None})
def sd3_without_t5() -> StableDiffusion3Pipeline:
    return sd3(with_t5=False)


@reference("PixArt-Sigma", PIXART_CALL, encode_with_mask)
def pixart() -> PixArtSigmaPipeline:
    tokenizer = long_t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        **LATENT,
        out_channels=16,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=nets.WIDTH,
        interpolation_scale=1,
        use_additional_conditions=False,
    )
    scheduler = DPMSolverMultistepScheduler(beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
    return PixArtSigmaPipeline(tokenizer, nets.t5_encoder(tokenizer), vae(), transformer, scheduler)


@reference("DeepFloyd IF-I", PIXEL_CALL)
def if1() -> IFPipeline:
    tokenizer = long_t5_tokenizer()
    parts = (tokenizer, nets.t5_encoder(tokenizer), nets.if_unet(), nets.if_scheduler())
    return IFPipeline(*parts, None, None, None, requires_safety_checker=False)


@reference("DeepFloyd IF-II", PIXEL_CALL | {"image": SMALL_IMAGE})
def if2() -> IFSuperResolutionPipeline:
    tokenizer, config = long_t5_tokenizer(), dict(nets.if_unet().config)
    config.pop("_use_default_values")  # from_config ignores the keys that it lists
    unet = UNet2DConditionModel.from_config(config | {"in_channels": 6, "class_embed_type": "timestep"})
    noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    parts = (tokenizer, nets.t5_encoder(tokenizer), unet, nets.if_scheduler(), noising)
    return IFSuperResolutionPipeline(*parts, None, None, None, requires_safety_checker=False)


def write_checkpoint(name: str, checkpoint_dir: Path) -> Path:
    """Write a tiny checkpoint of a family and return its directory."""
    torch.manual_seed(5)
    pipeline = FAMILIES[name].build()
    for part in ("transformer", "unet"):
        # Some layers start at zero, so that the output of a new network is zero: give every parameter a value.
        network = getattr(pipeline, part, None)
        for parameter in network.parameters() if network is not None else ():
            torch.nn.init.normal_(parameter, std=0.02) if not parameter.any() else None
    pipeline.save_pretrained(checkpoint_dir)
    return checkpoint_dir
