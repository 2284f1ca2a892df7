"""The checkpoints of baselines are whole and fit their architecture, or are refused."""

import shutil
from pathlib import Path

import pytest
import timm
import torch
from timm.models import save_for_hf

from diffzero.config import Clip, Supervised
from diffzero.models import CheckpointError
from diffzero.models.download import require_complete
from edit_checkpoint import edit_json, edit_tensors, without

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"title": "B", "licence": "MIT", "path": "here"}
CLIP = Clip(kind="clip", **COMMON)
RESNET = Supervised(kind="supervised", classes={"digits": "outputs"}, **COMMON)


@pytest.fixture
def clip_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "resources" / "models" / "mini-clip", tmp_path / "clip"))


@pytest.fixture
def resnet_dir(tmp_path: Path) -> Path:
    save_for_hf(timm.create_model("resnet10t", num_classes=30), tmp_path / "resnet", safe_serialization=True)
    return tmp_path / "resnet"


def test_whole_baselines_are_accepted(clip_dir, resnet_dir):
    require_complete(CLIP, clip_dir)
    require_complete(RESNET, resnet_dir)
    # PyTorch fills in counters that some published files lack; open_clip accepts both forms of a scalar.
    edit_tensors(resnet_dir, without("num_batches_tracked"))
    require_complete(RESNET, resnet_dir)
    edit_tensors(clip_dir, lambda tensors: tensors | {"logit_scale": tensors["logit_scale"].reshape(-1)})
    require_complete(CLIP, clip_dir)


@pytest.mark.parametrize(("model", "part"), [(CLIP, "ln_final.weight"), (RESNET, "layer4.0.conv1.weight")])
def test_weights_of_a_baseline_with_a_tensor_missing_added_or_truncated_are_refused(model, part, clip_dir, resnet_dir):
    checkpoint_dir = clip_dir if model is CLIP else resnet_dir
    edit_tensors(checkpoint_dir, lambda tensors: tensors | {"one.more": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="found tensor one.more, which the configuration does not describe"):
        require_complete(model, checkpoint_dir)
    edit_tensors(checkpoint_dir, lambda tensors: without(part)(without("one.more")(tensors)))
    with pytest.raises(CheckpointError, match=f"found no tensor {part}"):
        require_complete(model, checkpoint_dir)
    (weights,) = checkpoint_dir.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        require_complete(model, checkpoint_dir)


def test_a_clip_of_another_image_size_is_refused_and_its_positions_are_not_interpolated(clip_dir):
    config = clip_dir / "open_clip_config.json"
    edit_json(config, model_cfg={
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": 4, "width": 128, "head_width": 32, "patch_size": 4},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 3},
    })  # fmt: skip
    with pytest.raises(CheckpointError, match="visual.positional_embedding of shape"):
        require_complete(CLIP, clip_dir)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_cfg": {"embed_dim": 128}}, "describes no network"),
        ({"a_future_key": 3}, "found the key a_future_key"),
        ({"preprocess_cfg": {"gamma": 2.2}}, "found the key gamma"),
    ],
)
def test_a_configuration_of_a_clip_that_would_be_ignored_is_refused(values, message, clip_dir):
    edit_json(clip_dir / "open_clip_config.json", **values)
    with pytest.raises(CheckpointError, match=message):
        require_complete(CLIP, clip_dir)


def test_an_unknown_architecture_or_other_outputs_are_refused(clip_dir, resnet_dir):
    with pytest.raises(CheckpointError, match="unknown to open_clip"):
        require_complete(Clip(kind="clip", architecture="ViT-Q-77", **COMMON), clip_dir)
    with pytest.raises(CheckpointError, match="Expected the .* tensors of architecture ViT-B-32"):
        require_complete(Clip(kind="clip", architecture="ViT-B-32", **COMMON), clip_dir)
    edit_json(resnet_dir / "config.json", architecture="resnet50")
    with pytest.raises(CheckpointError, match="of the network in "):
        require_complete(RESNET, resnet_dir)
    edit_json(resnet_dir / "config.json", architecture="resnet10t", ensemble=3)
    with pytest.raises(CheckpointError, match="found the key ensemble"):
        require_complete(RESNET, resnet_dir)
