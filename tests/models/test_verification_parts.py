"""The parts of a checkpoint are those that its family reads, and fit each other; schedulers are refused with the real reason."""

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from diffzero.diffusion.schedule import read_schedule
from diffzero.diffusion.schedulers import REFUSED_SCHEDULERS, VP_SCHEDULERS
from diffzero.models import CheckpointError, adapter_class
from diffzero.models.registry import families
from diffzero.models.verification.configuration import class_defaults
from diffzero.models.verification.key_tables import SAMPLER_KEYS
from diffzero.models.verification.parts import verify_checkpoint
from edit_checkpoint import copy_of, edit_json
from families import SCALED

SD, SDXL, SD3, PIXART, IF, IF2 = (
    "Stable Diffusion 1.x", "Stable Diffusion XL", "Stable Diffusion 3", "PixArt-Sigma", "DeepFloyd IF-I", "DeepFloyd IF-II",
)  # fmt: skip


def verify(checkpoint_dir: Path) -> None:
    verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))


def refusal(checkpoint_dir: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        verify(checkpoint_dir)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "part", "values", "message"),
    [
        (SD, "unet", {"in_channels": 17}, "found 17 input channels of the unet (in_channels), expected the vae's 8 latent channels"),
        (SD, "unet", {"in_channels": 16}, "networks for inpainting, enlarging or editing"),
        (SD, "unet", {"out_channels": 4}, "found output channels of the unet 4, expected 8"),
        (SD, "unet", {"cross_attention_dim": 768}, "found cross-attention width of the unet 768, expected 128, the hidden_size"),
        (SD, "unet", {"cross_attention_dim": [128, 64]}, "found cross-attention width of the unet [128, 64], expected 128"),
        (SD, "unet", {"encoder_hid_dim": 64, "encoder_hid_dim_type": "text_proj"}, "found cross-attention width of the unet 64"),
        (SD, "vae", {"latent_channels": 4}, "expected the vae's 4 latent channels"),
        (SD, "text_encoder", {"hidden_size": 64}, "found cross-attention width of the unet 128, expected 64"),
        (SDXL, "unet", {"cross_attention_dim": 64}, "expected 96, the sum of both text encoders' hidden_size"),
        (SDXL, "unet", {"addition_time_embed_dim": 16}, "found projection_class_embeddings_input_dim of the unet 80, expected 128"),
        (SDXL, "text_encoder_2", {"projection_dim": 16}, "found projection_class_embeddings_input_dim of the unet 80, expected 64"),
        (SD3, "transformer", {"pooled_projection_dim": 64}, "expected 48, the sum of both CLIP encoders' projection_dim"),
        (SD3, "transformer", {"joint_attention_dim": 64}, "found joint_attention_dim 64 of the transformer, expected at least 96"),
        (SD3, "text_encoder_3", {"d_model": 256}, "found joint_attention_dim of the transformer 128, expected 256"),
        (PIXART, "transformer", {"caption_channels": 64}, "found caption_channels of the transformer 64, expected 128"),
        (PIXART, "transformer", {"out_channels": 12}, "expected 8 or, with a variance, 16"),
        (PIXART, "transformer", {"sample_size": 128, "use_additional_conditions": None}, "without use_additional_conditions"),
        (IF, "unet", {"encoder_hid_dim": 64}, "found text width of the unet 64, expected 128, the d_model"),
        (IF, "unet", {"in_channels": 6}, "found in_channels: 6, expected 3"),
        (IF2, "unet", {"in_channels": 3}, "found in_channels: 3, expected 6"),
        (IF, "unet", {"in_channels": ...}, "found no in_channels, expected 3"),
    ],
)  # fmt: skip
def test_parts_of_different_models_are_refused(name, part, values, message, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_json(copy / part / "config.json", **values)
    assert message in refusal(copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"_class_name": ...}, "found no _class_name, expected one of IFPipeline"),
        ({"_class_name": "StableDiffusionInpaintPipeline"}, "'StableDiffusionInpaintPipeline', expected one of IFPipeline"),
        ({"unet": ...}, "found no unet, expected the class of each part"),
        ({"vae": [None, None]}, "found no vae, expected the class of each part"),
        ({"vae": ["diffusers", "AutoencoderTiny"]}, "found vae of class AutoencoderTiny, expected AutoencoderKL"),
        ({"unet": ["diffusers", "UNetMotionModel"]}, "found unet of class UNetMotionModel, expected UNet2DConditionModel"),
        ({"text_encoder": ["transformers", "ChatGLMModel"]}, "found text_encoder of class ChatGLMModel, expected CLIPTextModel"),
        ({"tokenizer": ["transformers", "GemmaTokenizer"]}, "found tokenizer of class GemmaTokenizer, expected CLIPTokenizer"),
        ({"controlnet": ["diffusers", "ControlNetModel"]}, "found controlnet: ['diffusers', 'ControlNetModel'], which StableDiffusion"),
        ({"text_encoder_2": ["transformers", "CLIPTextModel"]}, "which StableDiffusion does not read"),
        ({"requires_aesthetics_score": True}, "found requires_aesthetics_score: True, which StableDiffusion does not read"),
        ({"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}, "expected FlowMatchEulerDiscreteScheduler as model_index.json"),
    ],
)  # fmt: skip
def test_a_model_index_that_no_family_reads_is_refused(values, message, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    edit_json(copy / "model_index.json", **values)
    text = refusal(copy)
    assert message in text and (
        "docs/models.md lists the families" in text or "IFPipeline" in text or "scheduler" in text
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_broken_model_index_is_refused(content, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    (copy / "model_index.json").write_bytes(content)
    assert "model_index.json: " in refusal(copy)


def set_scheduler(copy: Path, config: dict[str, object]) -> None:
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    edit_json(copy / "model_index.json", scheduler=["diffusers", config["_class_name"]])


@pytest.mark.parametrize("name", VP_SCHEDULERS)
def test_accepted_schedulers_add_noise_as_diffusers_with_any_setting_of_the_sampler(name, checkpoints, tmp_path):
    """Settings of the sampler change neither alpha nor sigma of a timestep."""
    copy, scheduler_class = copy_of(checkpoints[SD], tmp_path / "copy"), getattr(diffusers, name)
    changes = {"steps_offset": 3, "timestep_spacing": "trailing", "clip_sample": True, "thresholding": True, "use_karras_sigmas": True,
               "solver_order": 3, "set_alpha_to_one": True, "final_sigmas_type": "sigma_min"}  # fmt: skip
    read = class_defaults(scheduler_class)
    for prediction_type in ("epsilon", "v_prediction"):
        options = {key: value for key, value in changes.items() if key in read}
        theirs = scheduler_class(**SCALED, prediction_type=prediction_type, **options)
        theirs.save_pretrained(copy / "scheduler")
        edit_json(copy / "model_index.json", scheduler=["diffusers", name])
        verify(copy)
        schedule = read_schedule(copy)
        t = (np.array([0, 250, 999]) + 0.5) / 1000
        np.testing.assert_allclose(schedule.alpha(t) ** 2, theirs.alphas_cumprod[[0, 250, 999]].numpy(), rtol=1e-4)
        assert schedule.prediction_type == prediction_type
        assert set(read) - SAMPLER_KEYS.keys() <= {
            "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
            "rescale_betas_zero_snr", "timestep_type",
        }  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_SCHEDULERS)
def test_a_scheduler_that_is_not_supported_is_refused_with_the_real_reason(name, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    set_scheduler(copy, {**getattr(diffusers, name)().config, "_class_name": name})
    text = refusal(copy)
    assert f"found {name}, expected one of DDPMScheduler" in text and REFUSED_SCHEDULERS[name] in text
    assert "expected a scheduler with betas" not in text


def test_diffusers_reads_a_scheduler_with_the_class_in_model_index(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    set_scheduler(copy, {"_class_name": "DDIMScheduler", **SCALED})
    edit_json(copy / "model_index.json", scheduler=["diffusers", "PNDMScheduler"])
    verify(copy)
    rescaled = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    edit_json(copy / "scheduler" / "scheduler_config.json", **rescaled)
    assert "found rescale_betas_zero_snr: true, which its class does not read" in refusal(copy)
    edit_json(copy / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=..., _class_name=...)
    edit_json(copy / "model_index.json", scheduler=["diffusers", "LCMScheduler"])
    assert "model_index.json: found LCMScheduler" in refusal(copy)


def test_a_key_that_is_given_twice_is_refused(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace("{", '{"prediction_type": "v_prediction",', 1))
    assert "the key prediction_type is given twice" in refusal(copy)


SIGMOID = {"_class_name": "DDPMScheduler", "beta_schedule": "sigmoid"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"},
            "timestep_type 'continuous', expected discrete",
        ),
        (
            {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous", "prediction_type": "v_prediction"},
            "0.25 log(sigma)",
        ),
        (
            {"_class_name": "PNDMScheduler", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
            "its class does not read",
        ),
        ({"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True}, "alpha is 0"),
        (
            {"_class_name": "DDIMScheduler", "prediction_type": "flow_prediction"},
            "'flow_prediction', expected one of epsilon",
        ),
        ({"_class_name": "DDIMScheduler", "shift": 3.0}, "it belongs to a flow schedule"),
        ({"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True}, "found use_flow_sigmas"),
        ({"_class_name": "DDPMScheduler", "trained_betas": [0.1, 0.2]}, "found 2 betas"),
        ({"_class_name": "DDPMScheduler", "beta_end": 3.0}, "found 1000 betas from 0.0001 to 3"),
        ({"_class_name": "DDPMScheduler", "beta_end": "0.02"}, "scheduler_config.json: cannot be read"),
        ({"_class_name": "DDPMScheduler", "new_schedule": "loglinear"}, "diffzero does not know this key"),
        ({"_class_name": "DDIMInverseScheduler"}, "are not compared with diffusers'"),
        ({"_class_name": "DDPMWuerstchenScheduler"}, "are not compared with diffusers'"),
        (SIGMOID, "'sigmoid', expected linear, scaled_linear or squaredcos_cap_v2"),
    ],
)
def test_a_scheduler_configuration_that_would_be_ignored_is_refused(config, message, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    set_scheduler(copy, config)
    assert message in refusal(copy)


@pytest.mark.parametrize("values", [{"use_dynamic_shifting": True}, {"invert_sigmas": True}, {"shift_terminal": 0.1}])
def test_a_flow_schedule_that_depends_on_more_than_its_shift_is_refused(values, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD3], tmp_path / "copy")
    edit_json(copy / "scheduler" / "scheduler_config.json", **values)
    assert f"found {next(iter(values))}" in refusal(copy)
    set_scheduler(copy, {"_class_name": "EulerDiscreteScheduler", **SCALED})
    assert "expected FlowMatchEulerDiscreteScheduler" in refusal(copy)


def test_the_class_embedding_of_if_2_is_read(checkpoints):
    """The tiny checkpoint has it, as the published one, and the noise level changes the prediction."""
    config = json.loads((checkpoints[IF2] / "unet" / "config.json").read_text())
    assert config["class_embed_type"] == "timestep"
    unet = diffusers.UNet2DConditionModel.from_pretrained(checkpoints[IF2], subfolder="unet")
    inputs = torch.randn(1, 6, 24, 24, generator=torch.Generator().manual_seed(0)), 5, torch.zeros(1, 24, 128)
    with torch.inference_mode():
        low, high = (unet(*inputs, class_labels=torch.tensor([level])).sample for level in (0, 900))
    assert not torch.allclose(low, high)


def test_every_family_states_the_class_of_each_encoder():
    for family in families().values():
        assert set(family.TEXT_ENCODERS) <= family.part_classes().keys()
