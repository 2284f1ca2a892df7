"""Shapes and parameter counts of the full-size networks, built on the meta device (without memory) from their published configurations."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from diffzero.config import load_model

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
