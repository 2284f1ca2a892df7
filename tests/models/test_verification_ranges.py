"""Values of another type, out of range, or lost, that no tensor's shape shows, are refused before anything is computed."""

import json

import pytest
from tests.support.edit_checkpoint import copy_of, edit_json

from diffzero.models.checkpoint import adapter_class
from diffzero.models.errors import CheckpointError
from diffzero.models.verification.configuration import require_supported_keys
from diffzero.models.verification.key_tables import KEY_TABLES, REQUIRED_KEYS
from diffzero.models.verification.parts import read_index, verify_checkpoint
from diffzero.models.verification.ranges import RANGES
from diffzero.models.verification.tensors import import_class

SD, SDXL, SD3, PIXART = "Stable Diffusion 1.x", "Stable Diffusion XL", "Stable Diffusion 3", "PixArt-Sigma"
UNET, TEXT, VAE = "unet/config.json", "text_encoder/config.json", "vae/config.json"
SCHEDULER, TOKENIZER = "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"
NONE_FIT = (float("nan"), float("inf"), "", {}, [], [-1], ["1"])


def refusal(checkpoint_dir) -> str:
    with pytest.raises(CheckpointError) as error:
        verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "file", "key", "value"),
    [
        *((SD, UNET, "norm_eps", value) for value in (-1.0, 0.0, 1e9, float("nan"), "1e-05", [1e-05], None)),
        *((SD, UNET, "attention_head_dim", value) for value in (-1, 0, "4", True)),
        (SD, UNET, "norm_num_groups", -1),
        (SD, UNET, "downsample_padding", 2),
        (SD, UNET, "freq_shift", "0"),
        (SD, UNET, "mid_block_scale_factor", "1"),
        (SD, UNET, "resnet_out_scale_factor", 0.0),
        (SD, UNET, "flip_sin_to_cos", "no"),
        (SD, UNET, "upcast_attention", "x"),
        (SD, TEXT, "layer_norm_eps", float("inf")),
        (SD, TEXT, "layer_norm_eps", -1.0),
        (SD, TEXT, "num_attention_heads", -1),
        *((SD, VAE, "scaling_factor", value) for value in (0.0, -1.0, float("nan"), "0.7", None)),
        (SD, VAE, "use_quant_conv", "x"),
        (SD, SCHEDULER, "num_train_timesteps", 0),
        *((SDXL, "text_encoder_2/config.json", "projection_dim", value) for value in (None, "32", [32])),
        (SDXL, TEXT, "hidden_size", "32"),
        (SD3, "text_encoder_2/config.json", "hidden_size", None),
        (SD3, SCHEDULER, "shift", 0.0),
        (PIXART, TEXT, "layer_norm_epsilon", -1.0),
        (PIXART, TEXT, "relative_attention_max_distance", 0),
    ],
)
def test_a_value_that_the_shapes_do_not_settle_is_refused_by_type_and_range(
    name, file, key, value, checkpoints, tmp_path
):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_json(copy / file, **{key: value})
    message = refusal(copy)
    assert file in message
    assert key in message
    assert "expected" in message


@pytest.mark.parametrize("name", [SD, SDXL, SD3, PIXART, "DeepFloyd IF-II"])
def test_no_honoured_key_of_a_family_takes_values_of_no_meaning(name, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    adapter, tried = adapter_class(copy), 0
    classes = read_index(copy, adapter)
    for part in adapter.weight_folders():
        part_class, path = import_class(classes[part]), copy / part / "config.json"
        original = json.loads(path.read_text())
        for key in KEY_TABLES[part_class.__name__].honoured & original.keys() & RANGES.keys():
            for value in NONE_FIT:
                path.write_text(json.dumps(original | {key: value}))
                with pytest.raises(CheckpointError, match=key):
                    require_supported_keys(path, part_class, adapter.CONFIG_VALUES.get(part))
                tried += 1
        path.write_text(json.dumps(original))
    assert tried > 100


@pytest.mark.parametrize(
    ("name", "file"),
    [(SD, UNET), (SD, TEXT), (SD, SCHEDULER), (SDXL, "text_encoder_2/config.json"), (SD3, SCHEDULER), (PIXART, TEXT)],
)
def test_a_lost_key_whose_default_no_shape_contradicts_is_refused(name, file, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    part, listed = file.partition("/")[0], json.loads((copy / "model_index.json").read_text())
    original = (copy / file).read_text()
    for key in REQUIRED_KEYS[listed[part][1]]:
        edit_json(copy / file, **{key: ...})
        assert f"{file}: found no {key}" in refusal(copy)
        (copy / file).write_text(original)


def test_an_empty_scheduler_configuration_is_refused(checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    (copy / SCHEDULER).write_text("{}")
    assert "found no _class_name, beta_start" in refusal(copy)


@pytest.mark.parametrize("values", [{"trained_betas": [0.01] * 1000}, {"beta_schedule": "squaredcos_cap_v2"}])
def test_a_schedule_that_needs_no_range_of_betas_is_accepted_without_it(values, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    edit_json(copy / SCHEDULER, beta_start=..., beta_end=..., **values)
    verify_checkpoint(copy, adapter_class(copy))


@pytest.mark.parametrize("file", ["model_index.json", UNET, SCHEDULER, TOKENIZER])
def test_brackets_without_end_are_refused(file, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    (copy / file).write_text("[" * 100_000)
    assert f"{file}: cannot be read as JSON" in refusal(copy)


@pytest.mark.parametrize("name", [SD, PIXART])
@pytest.mark.parametrize("key", ["bos_token", "eos_token", "unk_token", "pad_token"])
@pytest.mark.parametrize("token", ["x", "photo"])
def test_a_special_token_that_occurs_in_prompts_is_refused(name, key, token, checkpoints, tmp_path):
    """A tokenizer cuts "fox" into "fo" and the special token "x"."""
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_json(copy / TOKENIZER, **{key: token})
    message = refusal(copy)
    assert str(copy / "tokenizer") in message
    assert f"found {key} '{token}', expected" in message


@pytest.mark.parametrize("name", [SD, PIXART])
def test_an_added_token_outside_the_vocabulary_is_refused(name, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    edit_json(copy / TOKENIZER, additional_special_tokens=["cube"])
    assert "found the added token 'cube'" in refusal(copy)


@pytest.mark.parametrize("length", [-1, 0, 2])
def test_a_tokenizer_without_room_for_a_prompt_is_refused(length, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    edit_json(copy / TOKENIZER, model_max_length=length)
    assert f"found model_max_length {length}, expected 3 to 24" in refusal(copy)
