"""Count the FLOPs of one call of a network from the checkpoint's configurations. No weights are read."""

from __future__ import annotations

from pathlib import Path

from diffzero.models.checkpoint import adapter_class


def count_gflops(checkpoint_dir: Path, resolution: int) -> float:
    """Return the GFLOPs of one call of a checkpoint's network, a multiply-add counting as two.

    The network is built without memory (PyTorch's meta device) and called once for an image of `resolution` pixels and one prompt.
    Element-wise operations are not counted; parts that several classes of one draw share are counted for every class.

    Raises
    ------
    CheckpointError
        If there is no checkpoint of a supported family.
    NotImplementedError
        If the family does not state the shapes of its inputs.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    adapter, device = adapter_class(checkpoint_dir), torch.device("meta")
    x_t = torch.zeros(1, *adapter.x_shape(checkpoint_dir, resolution), device=device)
    shapes = adapter.input_shapes(checkpoint_dir, resolution)
    denoiser = adapter(checkpoint_dir, torch.float32, device)
    inputs = {name: torch.zeros(1, *shape, device=device) for name, shape in shapes.items()}
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        denoiser.network_output(x_t, torch.zeros(1, device=device), inputs)
    return float(counter.get_total_flops()) / 1e9
