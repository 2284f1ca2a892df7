"""Shapes and parameter counts of the full-size networks, built on the meta device (without memory) from their published configurations."""

import json
import math
import time
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from diffzero.config import load_model
from diffzero.models import CheckpointError
from diffzero.models.verification.parts import require_part

ROOT = Path(__file__).resolve().parents[2]
# The values of unet/config.json of CompVis/stable-diffusion-v1-4 that differ from diffusers' defaults.
SD_V1_4 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}
# The values of unet/config.json of DeepFloyd/IF-I-XL-v1.0 that differ from diffusers' defaults.
IF_I_XL = {
    "sample_size": 64,
    "in_channels": 3,
    "out_channels": 6,
    "act_fn": "gelu",
    "time_embedding_act_fn": "gelu",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 64,
    "attention_head_dim": 64,
    "block_out_channels": (704, 1408, 2112, 2816),
    "cross_attention_dim": 2816,
    "cross_attention_norm": "group_norm",
    "encoder_hid_dim": 4096,
    "encoder_hid_dim_type": "text_proj",
    "layers_per_block": 3,
    "resnet_time_scale_shift": "scale_shift",
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
}


def on_meta(config: dict) -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(**config)


@pytest.mark.parametrize(
    ("config", "name", "count", "reported", "states"),
    [
        (SD_V1_4, "stable-diffusion-v1-4", 859_520_964, 859.5e6, (77, 768)),
        (IF_I_XL, "deepfloyd-if-i-xl", None, 4.3e9, (77, 4096)),
    ],
    ids=["SD v1.4", "IF-I-XL"],
)
def test_the_published_architecture_has_the_published_size(config, name, count, reported, states):
    network, model = on_meta(config), load_model(name, ROOT)
    found = sum(parameter.numel() for parameter in network.parameters())
    assert abs(found / reported - 1) < 0.005 and count in (None, found)
    assert model.parameters == round(found / 1e6) or model.parameters == -(-found // 1_000_000)
    x_t = torch.empty(2, config.get("in_channels", 4), 64, 64, device="meta")
    text = torch.empty(2, *states, device="meta")
    output = network(x_t, torch.zeros(2, dtype=torch.long, device="meta"), text).sample
    assert output.shape == (2, config.get("out_channels", 4), 64, 64)


def write_sparse_weights(path: Path, network: UNet2DConditionModel) -> None:
    """Write a float32 safetensors file of full size that takes no space on the disk: a header, and a hole for the weights."""
    header, end = {}, 0
    for name, tensor in network.state_dict().items():
        start, end = end, end + 4 * math.prod(tensor.shape)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    data = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        file.truncate(8 + len(data) + end)


@pytest.mark.parametrize("config", [SD_V1_4, IF_I_XL], ids=["SD v1.4", "IF-I-XL"])
def test_full_size_weights_are_verified_from_their_header_in_seconds(config, tmp_path):
    (tmp_path / "unet").mkdir()
    network = on_meta(config)
    network.save_config(tmp_path / "unet")
    path = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    write_sparse_weights(path, network)
    start = time.process_time()
    require_part(tmp_path, "unet", UNet2DConditionModel)
    assert time.process_time() - start < 20  # reading the weights, 3.4 GB and 17 GB, takes longer
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        require_part(tmp_path, "unet", UNet2DConditionModel)
