"""Shared computation inside a U-Net.

Up to its first cross-attention, Stable Diffusion's network depends on (x_t, t) only, and the keys and values of every cross-attention
depend on the prompt only. In a batch with several classes of one draw these parts get equal rows. They are evaluated on the unique rows
and the result is copied; nothing is approximated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn


class UniqueRows:
    """The unique rows of a batch: the first position of each, and for every row the unique row it equals."""

    def __init__(self, index: Tensor) -> None:
        """Take `index` [batch] int64, in which equal numbers mark equal rows."""
        unique, self.inverse = torch.unique(index, return_inverse=True)
        positions = torch.arange(len(index), device=index.device)
        self.first = torch.full_like(unique, len(index)).scatter_reduce(0, self.inverse, positions, "amin")
        self.has_duplicates = len(unique) < len(index)

    def evaluate(self, forward: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Return forward(...) [batch, ...], evaluated on the unique rows. All tensor arguments are batches."""
        unique_args = [value[self.first] if isinstance(value, Tensor) else value for value in args]
        unique_kwargs = {
            key: value[self.first] if isinstance(value, Tensor) else value for key, value in kwargs.items()
        }
        return forward(*unique_args, **unique_kwargs)[self.inverse]


class UNetCache:
    """Replaces the forward of a U-Net's modules by one that skips duplicate rows while `active`.

    Only for networks that `supports_cache` accepts.
    """

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.draws: UniqueRows | None = None
        self.prompts: UniqueRows | None = None
        for module in modules_before_text(unet):
            self._wrap(module, lambda: self.draws)
        for block in unet.modules():
            if isinstance(block, BasicTransformerBlock):
                self._wrap(block.attn2.to_k, lambda: self.prompts)
                self._wrap(block.attn2.to_v, lambda: self.prompts)

    @contextmanager
    def active(self, draw_index: Tensor, prompt_index: Tensor) -> Iterator[None]:
        """Skip duplicate rows in calls of the network whose rows have these draws and prompts, [batch] int64 each."""
        self.draws, self.prompts = UniqueRows(draw_index), UniqueRows(prompt_index)
        try:
            yield
        finally:
            self.draws = self.prompts = None

    @staticmethod
    def _wrap(module: nn.Module, get_rows: Callable[[], UniqueRows | None]) -> None:
        forward = module.forward

        def forward_unique_rows(*args: Any, **kwargs: Any) -> Tensor:
            rows = get_rows()
            if rows is None or not rows.has_duplicates:
                return forward(*args, **kwargs)
            return rows.evaluate(forward, *args, **kwargs)

        module.forward = forward_unique_rows


def supports_cache(unet: UNet2DConditionModel) -> bool:
    """Return whether the network's first block is Stable Diffusion's.

    That is: self-attention, then cross-attention, and a time embedding without text.
    """
    transformer = next(iter(getattr(unet.down_blocks[0], "attentions", [])), None)
    if not isinstance(transformer, Transformer2DModel) or unet.config.addition_embed_type is not None:
        return False
    first = transformer.transformer_blocks[0]
    return first.attn2 is not None and not (first.only_cross_attention or first.double_self_attention)


def modules_before_text(unet: UNet2DConditionModel) -> list[nn.Module]:
    """Return the modules that x_t and t pass before the first cross-attention, in order."""
    block = unet.down_blocks[0]
    transformer = block.attentions[0]
    first = transformer.transformer_blocks[0]
    return [
        unet.conv_in,
        block.resnets[0],
        transformer.norm,
        transformer.proj_in,
        first.norm1,
        first.attn1,
        first.norm2,
    ]
