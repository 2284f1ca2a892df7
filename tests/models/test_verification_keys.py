"""No key of a configuration file is ignored: it is honoured as in diffusers, known to have no effect, or refused."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from deviations import deviations, encode_text, relative_difference
from diffzero.models import CheckpointError, adapter_class, load
from diffzero.models.verification.configuration import class_defaults
from diffzero.models.verification.key_tables import KEY_TABLES
from diffzero.models.verification.parts import verify_checkpoint
from diffzero.models.verification.tensors import import_class
from edit_checkpoint import copy_of, edit_json

BOUNDS = {"x0": 2e-5, "x0 clipped": 2e-5, "text": 1e-6, "latents": 1e-6}
SD, SDXL, SD3, PIXART, IF = (
    "Stable Diffusion 1.x",
    "Stable Diffusion XL",
    "Stable Diffusion 3",
    "PixArt-Sigma",
    "DeepFloyd IF-I",
)
NETWORKS = ("UNet2DConditionModel", "SD3Transformer2DModel", "PixArtTransformer2DModel", "AutoencoderKL")
ENCODERS = ("CLIPTextModel", "T5EncoderModel")

# Changes of honoured keys that need no other weights, by family and part.
HONOURED: dict[str, dict[str, dict[str, object]]] = {
    SD: {
        "unet": {"center_input_sample": True, "flip_sin_to_cos": False, "freq_shift": 1, "mid_block_scale_factor": 2, "norm_eps": 0.1,
                 "act_fn": "gelu", "attention_head_dim": 2, "time_embedding_act_fn": "gelu"},
        "vae": {"scaling_factor": 0.3, "act_fn": "gelu"},
        "text_encoder": {"hidden_act": "gelu", "layer_norm_eps": 0.1, "num_attention_heads": 2, "use_attention_mask": True},
        "scheduler": {"beta_start": 0.001, "beta_end": 0.013, "beta_schedule": "linear", "prediction_type": "v_prediction"},
    },
    SDXL: {
        "unet": {"flip_sin_to_cos": False, "norm_eps": 0.1},
        "text_encoder": {"hidden_act": "gelu"},
        "text_encoder_2": {"hidden_act": "quick_gelu", "layer_norm_eps": 0.1},
    },
    SD3: {"vae": {"shift_factor": 0.1, "scaling_factor": 1.2}, "scheduler": {"shift": 1.5}, "text_encoder_3": {"layer_norm_epsilon": 0.1}},
    PIXART: {
        "transformer": {"norm_eps": 0.1, "interpolation_scale": 2, "sample_size": 16, "activation_fn": "gelu"},
        "text_encoder": {"relative_attention_max_distance": 20, "relative_attention_num_buckets": 32},
    },
    IF: {
        "unet": {"act_fn": "silu", "freq_shift": 1, "resnet_skip_time_act": False, "time_embedding_act_fn": "gelu"},
        "text_encoder": {"feed_forward_proj": "gated-silu", "dense_act_fn": "silu", "is_gated_act": True},
        "scheduler": {"beta_schedule": "linear"},
    },
}  # fmt: skip
# Values of keys without effect that are not the defaults.
WITHOUT_EFFECT: dict[str, dict[str, dict[str, object]]] = {
    SD: {
        "unet": {"sample_size": 77, "dropout": 0.4},
        "vae": {"sample_size": 999, "force_upcast": False},
        "text_encoder": {"attention_dropout": 0.4, "initializer_range": 9.0, "pad_token_id": 3, "projection_dim": 7,
                         "torch_dtype": "float16"},
        "scheduler": {"steps_offset": 0, "skip_prk_steps": False, "set_alpha_to_one": True, "timestep_spacing": "trailing"},
        "tokenizer": {"clean_up_tokenization_spaces": True, "truncation_side": "left"},
    },
    IF: {
        "unet": {"sample_size": 77},
        "text_encoder": {"dropout_rate": 0.4, "num_decoder_layers": 99, "n_positions": 3, "tie_word_embeddings": False},
        "scheduler": {"clip_sample": False, "thresholding": False, "variance_type": "fixed_small", "dynamic_thresholding_ratio": 0.5},
    },
}  # fmt: skip
CLASSES = "the network is conditioned on class labels"
# (family, part, key, value, reason): what would change the output and is not honoured.
REFUSED = [
    (SD, "unet", "time_cond_proj_dim", 256, "the network is distilled with an embedding of the guidance scale (LCM)"),
    (SDXL, "unet", "time_cond_proj_dim", 256, "the network is distilled with an embedding of the guidance scale (LCM)"),
    (SD, "unet", "class_embed_type", "timestep", CLASSES),
    (IF, "unet", "class_embed_type", "projection", CLASSES),
    (SD, "unet", "num_class_embeds", 1000, CLASSES),
    (SD, "unet", "addition_embed_type", "text_time", "the network reads further inputs"),
    (IF, "unet", "addition_embed_type", "image", "the network reads further inputs"),
    (SDXL, "unet", "addition_embed_type", "text", 'expected "text_time"'),
    (SDXL, "unet", "addition_embed_type", None, 'expected "text_time"'),
    (IF, "unet", "encoder_hid_dim_type", "image_proj", "the network reads image embeddings"),
    (SD, "unet", "attention_type", "gated", "GLIGEN"),
    (SD, "unet", "dual_cross_attention", True, "two conditions"),
    (SD, "unet", "quantization_config", {"load_in_4bit": True}, "quantised weights are not read"),
    (SD, "vae", "latents_mean", [0.1] * 8, "statistics per channel are not supported"),
    (SD, "vae", "latents_std", [0.1] * 8, "statistics per channel are not supported"),
    (SD, "vae", "shift_factor", 0.3, "this family's pipeline does not use it"),
    (SD3, "vae", "shift_factor", None, "found no shift_factor of the vae"),
    (SD3, "transformer", "new_positions", "rope", "diffzero does not know this key"),
    (PIXART, "transformer", "use_additional_conditions", True, "resolution and aspect ratio"),
    (PIXART, "transformer", "attention_type", "gated", "GLIGEN"),
    (SD, "text_encoder", "model_type", "clip", "CLIP's text model alone"),
    (SD, "text_encoder", "quantization_config", {"quant_method": "bitsandbytes"}, "quantised weights are not read"),
    (IF, "text_encoder", "use_attention_mask", True, "the pipelines of T5 give their own mask"),
    (IF, "text_encoder", "is_decoder", True, "a text encoder is no decoder"),
    (IF, "text_encoder", "sparse_step", 2, "diffzero does not know this key"),
    (SD, "tokenizer", "split_special_tokens", True, "special tokens are not split"),
    (IF, "tokenizer", "sp_model_kwargs", {"enable_sampling": True}, "sampled segmentations"),
    (IF, "tokenizer", "byte_mode", True, "diffzero does not know this key"),
    (SD, "unet", "brand_new_key", 3, "diffzero does not know this key"),
    (SD, "unet", "_use_default_values", ["act_fn"], "diffzero does not know this key"),
]  # fmt: skip


def path_of(checkpoint_dir: Path, part: str) -> Path:
    name = "scheduler_config" if "scheduler" in part else "tokenizer_config" if "tokenizer" in part else "config"
    return checkpoint_dir / part / f"{name}.json"


def verify(checkpoint_dir: Path) -> None:
    verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))


def outputs(checkpoint_dir: Path) -> dict[str, torch.Tensor]:
    """Return text, x and x_hat of fixed inputs."""
    denoiser = load(checkpoint_dir, "float32", "cpu")
    text = encode_text(denoiser, ["a photo of a bag.", "a red cube."])
    x = torch.from_numpy(
        denoiser.encode_images(checkpoint_dir, np.arange(32 * 32 * 3, dtype=np.uint8).reshape(1, 32, 32, 3))
    )
    with torch.inference_mode():
        x_hat = denoiser.x0(torch.cat([x, x]), np.array([0.3, 0.7]), text)
    return {**text, "x": x, "x_hat": x_hat}


@pytest.mark.parametrize("name", [*NETWORKS, *ENCODERS])
def test_the_tables_have_every_key_of_the_installed_classes(name):
    table, part_class = KEY_TABLES[name], import_class(name)
    keys = (
        set(class_defaults(part_class))
        if name in ENCODERS
        else set(inspect.signature(part_class.__init__).parameters) - {"self"}
    )
    known = table.honoured | table.without_effect.keys() | table.restricted.keys()
    assert {key for key in keys - known if not key.startswith("_")} == set()
    assert not table.honoured & table.without_effect.keys() and not table.honoured & table.restricted.keys()


@pytest.mark.parametrize("name", HONOURED)
def test_honoured_keys_change_the_output_as_in_the_pipeline(name, checkpoints, tmp_path):
    copy, base = copy_of(checkpoints[name], tmp_path / "all"), outputs(checkpoints[name])
    for part, values in HONOURED[name].items():
        edit_json(path_of(copy, part), **values)
    verify(copy)
    changed = outputs(copy)
    assert {key for key in base if relative_difference(changed[key], base[key]) < 1e-4} <= {"x", "mask", "pooled"}
    for output, deviation in deviations(name, copy).items():
        assert deviation <= BOUNDS[output], output


def test_each_honoured_key_of_the_examples_has_an_effect(checkpoints, tmp_path):
    base, unchanged = outputs(checkpoints[SD]), []
    for part, values in HONOURED[SD].items():
        for key, value in values.items():
            copy = copy_of(checkpoints[SD], tmp_path / part / key)
            edit_json(path_of(copy, part), **{key: value})
            changed = outputs(copy)
            unchanged += [key] if all(torch.equal(changed[name], base[name]) for name in base) else []
    assert unchanged == []


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_keys_without_effect_change_no_bit(name, checkpoints, tmp_path):
    copy, base = copy_of(checkpoints[name], tmp_path / "copy"), outputs(checkpoints[name])
    for part, values in WITHOUT_EFFECT[name].items():
        edit_json(path_of(copy, part), **values)
    verify(copy)
    changed = outputs(copy)
    assert {key for key in base if not torch.equal(changed[key], base[key])} == set()


@pytest.mark.parametrize(("name", "part", "key", "value", "reason"), REFUSED)
def test_what_would_be_ignored_is_refused_with_the_reason(name, part, key, value, reason, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_json(path_of(copy, part), **{key: value})
    with pytest.raises(CheckpointError) as error:
        verify(copy)
    assert key in str(error.value) and reason in str(error.value)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("unet", {"a_future_key": None, "another": False}),
        ("unet", {"time_cond_proj_dim": None, "class_embed_type": None, "attention_type": "default"}),
        ("vae", {"latents_mean": None, "a_future_key": None}),
        ("text_encoder", {"use_attention_mask": False, "a_future_key": None}),
        ("tokenizer", {"a_future_key": False}),
    ],
)
def test_unknown_keys_that_switch_nothing_on_and_defaults_are_accepted(part, values, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    edit_json(path_of(copy, part), **values)
    verify(copy)
