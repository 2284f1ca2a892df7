"""A U-Net with UNetCache has the output of the plain network with fewer operations."""

import shutil
from collections.abc import Callable

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from diffzero import models
from diffzero.models.unet_cache import UniqueRows


@pytest.fixture
def denoiser(tiny_sd):
    return models.load(tiny_sd, "float32", "cpu")


def inputs(draw_index: torch.Tensor, prompt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x_t, timestep and text [batch] for draws and prompts of a batch."""
    rng = torch.Generator().manual_seed(0)
    x_t, text = torch.randn((9, 8, 8, 8), generator=rng), torch.randn((9, 24, 128), generator=rng)
    return x_t[draw_index], torch.randint(1000, (9,), generator=rng)[draw_index], text[prompt]


BATCHES = {
    "one draw, all classes": ([3] * 6, [0, 1, 2, 3, 4, 5]),
    "many draws, one class": ([0, 1, 2, 3, 4], [7] * 5),
    "draws split by the batch": ([8, 8, 2, 2, 2, 5], [4, 0, 0, 1, 4, 0]),
    "nothing in common": ([0, 1, 2], [3, 4, 5]),
    "one row": ([1], [1]),
}


def flops(call: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Return the result of `call` and its number of multiplications and additions."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        return call(), counter.get_total_flops()


@pytest.mark.parametrize("name", BATCHES)
def test_the_output_equals_the_plain_networks_and_repeated_draws_and_prompts_are_free(denoiser, name):
    draw_index, prompt = map(torch.tensor, BATCHES[name])
    x_t, timestep, states = inputs(draw_index, prompt)
    draws, prompts, rows = len(set(draw_index.tolist())), len(set(prompt.tolist())), len(draw_index)

    def network() -> torch.Tensor:
        return denoiser.unet(x_t, timestep, states).sample

    plain, cost = flops(network)
    with denoiser.shared_compute(draw_index, prompt):
        reused, cost_reused = flops(network)
    torch.testing.assert_close(reused, plain, rtol=1e-5, atol=1e-5)
    with denoiser.shared_compute(draw_index, torch.arange(rows)):
        draws_saved = cost - flops(network)[1]
    with denoiser.shared_compute(torch.arange(rows), prompt):
        prompts_saved = cost - flops(network)[1]
    assert (draws_saved > 0) == (draws < rows) and (prompts_saved > 0) == (prompts < rows)
    assert cost - cost_reused == draws_saved + prompts_saved
    again, cost_again = flops(network)  # outside the context, the plain network runs
    assert torch.equal(again, plain) and cost_again == cost


def test_unique_rows_are_the_first_occurrences():
    rows = UniqueRows(torch.tensor([5, 2, 5, 9, 2]))
    assert rows.first[rows.inverse].tolist() == [0, 1, 0, 3, 1] and rows.has_duplicates
    assert not UniqueRows(torch.tensor([3, 1, 2])).has_duplicates


UNUSUAL = {
    "text in the first attention": {"only_cross_attention": True},
    "no attention in the first block": {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    },
    "text in the time embedding": {"addition_embed_type": "text", "addition_embed_type_num_heads": 4},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_a_network_that_reads_text_elsewhere_keeps_its_output(name, tiny_sd, tmp_path):
    checkpoint_dir = shutil.copytree(tiny_sd, tmp_path / "copy")
    torch.manual_seed(0)
    config = dict(UNet2DConditionModel.load_config(checkpoint_dir, subfolder="unet")) | UNUSUAL[name]
    UNet2DConditionModel.from_config(config).save_pretrained(checkpoint_dir / "unet")
    denoiser = models.load(checkpoint_dir, "float32", "cpu")
    draw_index, prompt = map(torch.tensor, BATCHES["one draw, all classes"])
    x_t, timestep, states = inputs(draw_index, prompt)
    with torch.inference_mode():
        plain = denoiser.unet(x_t, timestep, states).sample
        with denoiser.shared_compute(draw_index, prompt):
            reused = denoiser.unet(x_t, timestep, states).sample
    assert (plain - plain[:1]).abs().max() > 1e-4, "the text matters"
    torch.testing.assert_close(reused, plain, rtol=1e-5, atol=1e-5)
