"""Checkpoints in the layouts of published ones are accepted, and give the results of diffusers' pipelines."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deviations import deviations
from diffzero.models import adapter_class, load
from diffzero.models.verification.parts import verify_checkpoint
from edit_checkpoint import (
    copy_of,
    edit_json,
    edit_tensors,
    publish_clip_encoder,
    publish_clip_tokenizer,
    publish_vae,
    shard_weights,
    weights_of,
    without,
)

BOUNDS = {"x0": 2e-5, "x0 clipped": 2e-5, "text": 1e-6, "latents": 1e-6}
SD, SDXL, SD3, IF = "Stable Diffusion 1.x", "Stable Diffusion XL", "Stable Diffusion 3", "DeepFloyd IF-I"
# scheduler/scheduler_config.json of CompVis/stable-diffusion-v1-4 and of stabilityai/stable-diffusion-xl-base-1.0.
SD_SCHEDULER = {
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.7.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
    "trained_betas": None, "clip_sample": False,
}  # fmt: skip
SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
    "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False,
}  # fmt: skip
# Keys of transformer/config.json of PixArt-alpha/PixArt-Sigma-XL-2-512-MS, whose class was Transformer2DModel.
PIXART_TRANSFORMER = {
    "_class_name": "Transformer2DModel", "activation_fn": "gelu-approximate", "attention_bias": True, "attention_type": "default",
    "double_self_attention": False, "dropout": 0.0, "norm_elementwise_affine": False, "norm_eps": 1e-06, "norm_num_groups": 32,
    "norm_type": "ada_norm_single", "num_embeds_ada_norm": 1000, "num_vector_embeds": None, "only_cross_attention": False,
    "upcast_attention": False, "use_linear_projection": False,
}  # fmt: skip
# Keys of text_encoder/config.json of DeepFloyd/IF-I-XL-v1.0.
T5_CONFIG = {
    "_name_or_path": "google/t5-v1_1-xxl", "decoder_start_token_id": 0, "is_encoder_decoder": True, "output_past": True,
    "tie_word_embeddings": False, "torch_dtype": "float32", "use_cache": True, "dtype": ..., "transformers_version": "4.29.0.dev0",
}  # fmt: skip


def verify(checkpoint_dir: Path) -> None:
    verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))


def as_published(name: str, copy: Path) -> None:
    """Give a tiny checkpoint the layout of the published one."""
    if name == SD:
        publish_vae(copy / "vae")
        edit_json(
            copy / "vae" / "config.json", force_upcast=..., latents_mean=..., shift_factor=..., use_quant_conv=...
        )
        publish_clip_encoder(copy / "text_encoder")
        publish_clip_tokenizer(copy / "tokenizer")
        (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD_SCHEDULER))
        edit_json(
            copy / "model_index.json",
            safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
            feature_extractor=["transformers", "CLIPImageProcessor"],
        )
        for part in ("unet", "vae", "text_encoder"):
            path = weights_of(copy / part)
            shutil.copy(path, path.with_suffix(".fp16.safetensors"))
            shutil.copy(path, path.with_suffix(".non_ema.safetensors"))
            path.with_suffix(".bin").write_bytes(b"never opened")
    elif name == SDXL:
        for suffix in ("", "_2"):
            publish_clip_encoder(copy / f"text_encoder{suffix}")
            publish_clip_tokenizer(copy / f"tokenizer{suffix}")
        (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(SDXL_SCHEDULER))
        edit_json(copy / "model_index.json", force_zeros_for_empty_prompt=True)
    elif name == SD3:
        shard_weights(copy / "text_encoder_3")
        edit_json(copy / "text_encoder_3" / "config.json", **T5_CONFIG)
        edit_json(
            copy / "tokenizer_3" / "tokenizer_config.json", add_prefix_space=True, legacy=True, sp_model_kwargs={}
        )
    elif name == "PixArt-Sigma":
        edit_json(copy / "transformer" / "config.json", **PIXART_TRANSFORMER)
        edit_json(copy / "model_index.json", transformer=["diffusers", "Transformer2DModel"])
    elif name == IF:
        edit_json(copy / "text_encoder" / "config.json", **T5_CONFIG)
        shard_weights(copy / "unet")


@pytest.mark.parametrize("name", [SD, SDXL, SD3, "PixArt-Sigma", IF])
def test_a_checkpoint_in_the_published_layout_is_accepted_and_equals_the_pipeline(name, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    as_published(name, copy)
    verify(copy)
    load(copy, "float32", "cpu")
    if name == SD:  # diffusers' pipeline would open the safety checker
        edit_json(copy / "model_index.json", safety_checker=[None, None], feature_extractor=[None, None])
    for output, deviation in deviations(name, copy).items():
        assert deviation <= BOUNDS[output], output


def test_parts_that_are_not_read_may_be_absent_or_in_any_format(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    edit_json(copy / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    verify(copy)
    (copy / "safety_checker").mkdir()
    (copy / "safety_checker" / "model.safetensors").write_bytes(b"not whole")
    verify(copy)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "names", [("shared.weight",), ("encoder.embed_tokens.weight",), ("shared.weight", "encoder.embed_tokens.weight")]
)
def test_t5_embeddings_have_either_name_or_both(names, tied, checkpoints, tmp_path):
    copy = copy_of(checkpoints[IF], tmp_path / "copy")
    embeddings = load_file(weights_of(copy / "text_encoder"))["shared.weight"]
    edit_tensors(copy / "text_encoder", lambda tensors: without("shared")(tensors) | dict.fromkeys(names, embeddings))
    edit_json(copy / "text_encoder" / "config.json", tie_word_embeddings=tied)
    verify(copy)
    texts = [adapter_class(folder).encode_text(folder, ["a bag"])["states"] for folder in (copy, checkpoints[IF])]
    assert (texts[0] == texts[1]).all()


@pytest.mark.parametrize(
    ("name", "part", "extra"),
    [
        (SD, "text_encoder", "text_projection.weight"),
        (SD, "text_encoder", "vision_model.post_layernorm.weight"),
        (IF, "text_encoder", "decoder.block.0.layer.0.SelfAttention.q.weight"),
    ],
)
def test_tensors_of_parts_that_the_encoder_does_without_are_accepted(name, part, extra, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_tensors(copy / part, lambda tensors: tensors | {extra: torch.zeros(4)})
    verify(copy)


def test_clip_tensors_with_and_without_the_prefix_of_old_files_are_the_same(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SDXL], tmp_path / "copy")
    edit_tensors(
        copy / "text_encoder_2",
        lambda tensors: {k.removeprefix("text_model."): tensor for k, tensor in tensors.items()},
    )
    verify(copy)
    texts = [adapter_class(folder).encode_text(folder, ["a bag"]) for folder in (copy, checkpoints[SDXL])]
    assert all((texts[0][key] == texts[1][key]).all() for key in texts[0])


def test_stable_diffusion_3_may_do_without_t5_and_its_folders(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD3], tmp_path / "copy")
    shutil.rmtree(copy / "text_encoder_3")
    shutil.rmtree(copy / "tokenizer_3")
    edit_json(copy / "model_index.json", text_encoder_3=[None, None])
    verify(copy)
    assert adapter_class(copy).encode_text(copy, ["a bag"])["states"].shape[1] > 256
