"""Tiny checkpoints with random weights of every family, written by the save_pretrained of its own diffusers pipeline."""

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
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
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Tokenizer

from diffzero.training import nets as mini
from diffzero.training.captions import corpus

LATENT = {"sample_size": 8, "in_channels": 8}
SCALED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def vae(**options) -> AutoencoderKL:
    """Return a small VAE whose scale is neither 1 nor the default, so that a missing scale changes the result."""
    made = mini.autoencoder()
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
        max_position_embeddings=mini.TOKENS,
        hidden_act="gelu" if projected else "quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def long_t5_tokenizer() -> T5Tokenizer:
    """Return a T5 tokenizer that allows more tokens than the pipelines use, as the original ones do."""
    tokenizer = mini.t5_tokenizer(corpus())
    tokenizer.model_max_length = 512
    return tokenizer


def sd(scheduler) -> StableDiffusionPipeline:
    tokenizer = mini.clip_tokenizer(corpus())
    parts = (vae(), mini.clip_text_model(tokenizer), tokenizer, mini.sd_unet(), scheduler)
    return StableDiffusionPipeline(*parts, None, None, requires_safety_checker=False)


def sd1() -> StableDiffusionPipeline:
    return sd(mini.sd_scheduler())


def sd2_v() -> StableDiffusionPipeline:
    """Stable Diffusion 2.1 at 768 pixels: v-prediction under DDIM."""
    return sd(DDIMScheduler(**SCALED, prediction_type="v_prediction", set_alpha_to_one=False, steps_offset=1))


def sd2_zero() -> StableDiffusionPipeline:
    """v-prediction with a schedule that ends in pure noise."""
    return sd(DDIMScheduler(**SCALED, prediction_type="v_prediction", rescale_betas_zero_snr=True))


def sdxl() -> StableDiffusionXLPipeline:
    tokenizer = mini.clip_tokenizer(corpus())
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


def sd3(with_t5: bool = True) -> StableDiffusion3Pipeline:
    tokenizer, long = mini.clip_tokenizer(corpus()), long_t5_tokenizer()
    transformer = SD3Transformer2DModel(
        **LATENT,
        out_channels=8,
        patch_size=2,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=mini.WIDTH,
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
        "text_encoder_3": mini.t5_encoder(long) if with_t5 else None,
        "tokenizer_3": long if with_t5 else None,
    }
    return StableDiffusion3Pipeline(**parts)


def sd3_without_t5() -> StableDiffusion3Pipeline:
    return sd3(with_t5=False)


def pixart() -> PixArtSigmaPipeline:
    tokenizer = long_t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        **LATENT,
        out_channels=16,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=mini.WIDTH,
        interpolation_scale=1,
        use_additional_conditions=False,
    )
    scheduler = DPMSolverMultistepScheduler(beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
    return PixArtSigmaPipeline(tokenizer, mini.t5_encoder(tokenizer), vae(), transformer, scheduler)


def if1() -> IFPipeline:
    tokenizer = long_t5_tokenizer()
    parts = (tokenizer, mini.t5_encoder(tokenizer), mini.if_unet(), mini.if_scheduler())
    return IFPipeline(*parts, None, None, None, requires_safety_checker=False)


def if2() -> IFSuperResolutionPipeline:
    tokenizer, config = long_t5_tokenizer(), dict(mini.if_unet().config)
    unet = UNet2DConditionModel.from_config(config | {"in_channels": 6, "class_embed_type": "timestep"})
    noising = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    parts = (tokenizer, mini.t5_encoder(tokenizer), unet, mini.if_scheduler(), noising)
    return IFSuperResolutionPipeline(*parts, None, None, None, requires_safety_checker=False)


FAMILIES: dict[str, Callable] = {
    "Stable Diffusion 1.x": sd1,
    "Stable Diffusion 2.x, v": sd2_v,
    "Stable Diffusion 2.x, v, zero terminal SNR": sd2_zero,
    "Stable Diffusion XL": sdxl,
    "Stable Diffusion 3": sd3,
    "Stable Diffusion 3 without T5": sd3_without_t5,
    "PixArt-Sigma": pixart,
    "DeepFloyd IF-I": if1,
    "DeepFloyd IF-II": if2,
}


def write_checkpoint(name: str, folder: Path) -> Path:
    """Write a tiny checkpoint of a family and return its directory."""
    torch.manual_seed(5)
    pipeline = FAMILIES[name]()
    for part in ("transformer", "unet"):
        # Some layers start at zero, so that the output of a new network is zero: give every parameter a value.
        network = getattr(pipeline, part, None)
        for parameter in network.parameters() if network is not None else ():
            torch.nn.init.normal_(parameter, std=0.02) if not parameter.any() else None
    pipeline.save_pretrained(folder)
    return folder
