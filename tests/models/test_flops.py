"""FLOPs counted from configurations alone against FLOPs counted while the real network runs."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from diffzero import models
from diffzero.config import load_model
from diffzero.models.flops import count_gflops
from families import FAMILIES, PROMPT

ROOT = Path(__file__).parents[2]


def counted_while_running(checkpoint_dir: Path, size: int) -> float:
    """Return the GFLOPs of one call of the loaded network on encoded prompts."""
    denoiser, adapter = models.load(checkpoint_dir, "float32", "cpu"), models.adapter_class(checkpoint_dir)
    pixels = torch.zeros(1, size, size, 3, dtype=torch.uint8).numpy()
    x = torch.from_numpy(adapter.encode_images(checkpoint_dir, pixels))
    inputs = adapter.encode_text(checkpoint_dir, [PROMPT]) | adapter.encode_conditions(checkpoint_dir, pixels)
    tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        denoiser.x0(x, torch.tensor([0.5]).double().numpy(), tensors)
    return counter.get_total_flops() / 1e9


@pytest.mark.parametrize("name", ["mini-sd", "mini-if"])
def test_the_flops_of_a_mini_model_are_those_of_its_network(name):
    model = load_model(name, ROOT)
    planned = count_gflops(ROOT / model.path, model.resolution)
    assert planned == pytest.approx(counted_while_running(ROOT / model.path, model.resolution), rel=0.02)
    assert model.gflops == pytest.approx(planned, rel=0.01)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_flops_of_every_family_are_counted_from_its_configurations(name, tmp_path):
    FAMILIES[name].build().save_pretrained(tmp_path)
    size = 64 if "sr" in name or "II" in name else 32
    expected = counted_while_running(tmp_path, size)
    for weights in tmp_path.rglob("*.safetensors"):
        weights.write_bytes(b"")  # present, and never read
    assert count_gflops(tmp_path, size) == pytest.approx(expected, rel=0.02)
