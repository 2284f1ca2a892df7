"""A checkpoint whose files do not hold exactly the tensors of its configuration is refused, part by part."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from diffzero.models import CheckpointError, adapter_class, load
from diffzero.models.verification.parts import read_index, verify_checkpoint
from edit_checkpoint import (
    LFS_POINTER,
    copy_of,
    edit_json,
    edit_tensors,
    lora_file,
    shard_weights,
    weights_of,
    without,
)
from families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
# One family with each kind of part.
PARTS = [
    ("Stable Diffusion 1.x", ["unet", "vae", "text_encoder"]),
    ("Stable Diffusion XL", ["unet", "text_encoder_2"]),
    ("Stable Diffusion 3", ["transformer", "text_encoder_3"]),
    ("PixArt-Sigma", ["transformer"]),
    ("DeepFloyd IF-I", ["unet", "text_encoder"]),
]
each_part = pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in PARTS for part in parts])


def verify(checkpoint_dir: Path) -> None:
    verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))


def refusal(checkpoint_dir: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        verify(checkpoint_dir)
    return str(error.value)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_whole_checkpoint_of_every_family_is_accepted(name, checkpoints):
    verify(checkpoints[name])


@pytest.mark.parametrize("name", ["mini-sd", "mini-if"])
def test_the_shipped_models_are_accepted(name):
    verify(ROOT / "resources" / "models" / name)


@each_part
def test_any_missing_additional_or_misshapen_tensor_is_refused(name, part, checkpoints, tmp_path):
    names = sorted(load_file(weights_of(checkpoints[name] / part)))
    for number, tensor in enumerate(random.Random(0).sample(names, 3)):
        copy = copy_of(checkpoints[name], tmp_path / str(number))
        edit_tensors(copy / part, lambda tensors, tensor=tensor: {k: v for k, v in tensors.items() if k != tensor})
        text = refusal(copy)
        assert f"{part}: found no tensor {tensor.removeprefix('text_model.')}" in text and "config.json" in text
        original = load_file(weights_of(checkpoints[name] / part))
        edit_tensors(copy / part, lambda _, original=original: original | {"encoder.layers.9.extra": torch.zeros(2)})
        assert "found tensor encoder.layers.9.extra, which the configuration does not describe" in refusal(copy)
        larger = torch.zeros(3, *original[tensor].shape)
        edit_tensors(
            copy / part, lambda _, original=original, tensor=tensor, larger=larger: original | {tensor: larger}
        )
        assert f"of shape [3, {', '.join(map(str, original[tensor].shape))}]" in refusal(copy)


@pytest.mark.parametrize(
    ("name", "part", "key", "layers", "weight"),
    [
        ("Stable Diffusion 1.x", "text_encoder", "num_hidden_layers", (1, 3), "encoder.layers."),
        ("Stable Diffusion XL", "text_encoder", "num_hidden_layers", (2, 4), "encoder.layers."),
        ("Stable Diffusion 3", "text_encoder_3", "num_layers", (1, 3), "encoder.block."),
        ("DeepFloyd IF-I", "unet", "layers_per_block", (2, 3), "down_blocks."),
        ("PixArt-Sigma", "transformer", "num_layers", (1, 3), "transformer_blocks."),
    ],
)
def test_a_configuration_with_fewer_or_more_layers_than_the_file_is_refused(
    name, part, key, layers, weight, checkpoints, tmp_path
):
    for n_layers in layers:
        copy = copy_of(checkpoints[name], tmp_path / str(n_layers))
        edit_json(copy / part / "config.json", **{key: n_layers})
        assert f"{part}: found " in refusal(copy) and weight in refusal(copy)


def test_encoders_without_embeddings_or_projection_are_refused(checkpoints, tmp_path):
    t5 = copy_of(checkpoints["DeepFloyd IF-I"], tmp_path / "t5")
    edit_tensors(t5 / "text_encoder", without("shared"))
    assert "text_encoder: found no 2 tensors (encoder.embed_tokens.weight, shared.weight)" in refusal(t5)
    sdxl = copy_of(checkpoints["Stable Diffusion XL"], tmp_path / "sdxl")
    edit_tensors(sdxl / "text_encoder_2", without("text_projection"))
    assert "text_encoder_2: found no tensor text_projection.weight" in refusal(sdxl)
    index = copy_of(checkpoints["Stable Diffusion XL"], tmp_path / "index")
    edit_json(index / "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"])
    assert "text_encoder_2 of class CLIPTextModel, expected CLIPTextModelWithProjection" in refusal(index)


def lose_weights(part_dir: Path) -> None:
    weights_of(part_dir).unlink()


def keep_only_variant(variant: str) -> Callable[[Path], None]:
    def change(part_dir: Path) -> None:
        path = weights_of(part_dir)
        path.rename(path.with_suffix(f".{variant}.safetensors"))

    return change


def truncate(part_dir: Path) -> None:
    path = weights_of(part_dir)
    path.write_bytes(path.read_bytes()[:-1000])


def replace_by_pointer(part_dir: Path) -> None:
    weights_of(part_dir).write_bytes(LFS_POINTER)


def empty(part_dir: Path) -> None:
    weights_of(part_dir).write_bytes(b"")


def lose_a_shard(part_dir: Path) -> None:
    shard_weights(part_dir)[1].unlink()


def lose_the_index(part_dir: Path) -> None:
    shard_weights(part_dir)
    next(part_dir.glob("*.index.json")).unlink()


def truncate_a_shard(part_dir: Path) -> None:
    path = shard_weights(part_dir)[0]
    path.write_bytes(path.read_bytes()[:-8])


def list_a_tensor_that_no_shard_has(part_dir: Path) -> None:
    shard_weights(part_dir)
    path = next(part_dir.glob("*.index.json"))
    weight_map = json.loads(path.read_text())["weight_map"]
    edit_json(path, weight_map=weight_map | {"one.more": next(iter(weight_map.values()))})


def replace_by_lora(part_dir: Path) -> None:
    weights_of(part_dir).unlink()
    lora_file(part_dir / "pytorch_lora_weights.safetensors")


def add_lora(part_dir: Path) -> None:
    lora_file(part_dir / "pytorch_lora_weights.safetensors")


def add_adapter(part_dir: Path) -> None:
    (part_dir / "adapter_config.json").write_text('{"peft_type": "LORA"}')


def rename_lora(part_dir: Path) -> None:
    lora_file(weights_of(part_dir))


def break_config(part_dir: Path) -> None:
    (part_dir / "config.json").write_text((part_dir / "config.json").read_text()[:-2])


def lose_config(part_dir: Path) -> None:
    (part_dir / "config.json").unlink()


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (lose_weights, "found no safetensors weights"),
    (keep_only_variant("fp16"), r"another variant (*.fp16.safetensors), expected"),
    (keep_only_variant("non_ema"), r"another variant (*.non_ema.safetensors), expected"),
    (truncate, "truncated or damaged"),
    (empty, "found 0 bytes"),
    (replace_by_pointer, "found a Git LFS pointer, expected the file itself. Run `git lfs pull`"),
    (lose_a_shard, "-00002-of-00002.safetensors"),
    (lose_the_index, "without their index"),
    (truncate_a_shard, "-00001-of-00002.safetensors: found"),
    (list_a_tensor_that_no_shard_has, "found no tensor one.more"),
    (replace_by_lora, "a LoRA or another adapter (pytorch_lora_weights.safetensors)"),
    (add_lora, "a LoRA or another adapter (pytorch_lora_weights.safetensors)"),
    (add_adapter, "a LoRA or another adapter (adapter_config.json)"),
    (rename_lora, "found a LoRA (tensor unet.down_blocks.0"),
    (break_config, "config.json: cannot be read as JSON"),
    (lose_config, "expected also config.json"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
@pytest.mark.parametrize(("name", "part"), [("Stable Diffusion 1.x", "unet"), ("DeepFloyd IF-I", "text_encoder")])
def test_damaged_and_missing_files_are_named_with_their_part(damage, message, name, part, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    damage(copy / part)
    text = refusal(copy)
    expected = message.replace("*", "diffusion_pytorch_model" if part == "unet" else "model")
    assert part in text and expected in text and "Traceback" not in text


def test_a_loader_refuses_what_check_refuses(checkpoints, tmp_path):
    copy = copy_of(checkpoints["Stable Diffusion 1.x"], tmp_path / "copy")
    for part in ("unet", "vae", "text_encoder"):
        edit_tensors(copy / part, without("norm"))
    adapter = adapter_class(copy)
    with pytest.raises(CheckpointError, match="unet: found no"):
        load(copy, "float32", "cpu")
    with pytest.raises(CheckpointError, match="text_encoder: found no"):
        adapter.encode_text(copy, ["a bag"])
    with pytest.raises(CheckpointError, match="vae: found no"):
        next(iter(adapter.iter_latents(copy, torch.zeros(1, 32, 32, 3, dtype=torch.uint8).numpy())))


@pytest.mark.parametrize("name", [name for name, _ in PARTS])
def test_every_part_that_model_index_lists_must_be_there(name, checkpoints, tmp_path):
    adapter = adapter_class(checkpoints[name])
    for part in read_index(checkpoints[name], adapter):
        copy = copy_of(checkpoints[name], tmp_path / part)
        shutil.rmtree(copy / part)
        with pytest.raises(CheckpointError, match=f"found no {part} folder"):
            verify(copy)
        edit_json(copy / "model_index.json", **{part: [None, None]})
        if part not in ("text_encoder_3", "tokenizer_3"):
            with pytest.raises(CheckpointError, match=f"found no {part}"):
                verify(copy)
