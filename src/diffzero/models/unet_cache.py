"""Exact reuse inside a U-Net: what depends on (x_t, t) alone once a draw, what depends on the prompt alone once a prompt.

Stable Diffusion's network reads the text at its first cross-attention and not before, and the keys and values of every
cross-attention are functions of the prompt. In a batch that holds several classes of one draw these parts see the same rows many
times over. They are evaluated on the different rows and copied; nothing is approximated.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from diffusers import Transformer2DModel, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn


class UniqueRows:
    """The different rows among those of a batch: where each comes first, and which of them every row is."""

    def __init__(self, index: Tensor) -> None:
        """`index` [batch]: equal numbers, equal rows."""
        different, self.back = torch.unique(index, return_inverse=True)
        numbers = torch.arange(len(index), device=index.device)
        self.first = torch.full_like(different, len(index)).scatter_reduce(0, self.back, numbers, "amin")
        self.has_duplicates = len(different) < len(index)

    def evaluate(self, forward: Callable, *arguments, **options) -> Tensor:
        """forward(...) [batch, ...], evaluated on the different rows. Tensor arguments are batches."""
        arguments = [value[self.first] if isinstance(value, Tensor) else value for value in arguments]
        options = {name: value[self.first] if isinstance(value, Tensor) else value for name, value in options.items()}
        return forward(*arguments, **options)[self.back]


class UNetCache:
    """Gives a U-Net's modules a forward that looks at the batch's draws and prompts, inside `of`. Only where `supports_cache`."""

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
        """Calls of the network in here have the draws `draw_index` [batch] and the prompts `prompt` [batch]."""
        self.draws, self.prompts = UniqueRows(draw_index), UniqueRows(prompt_index)
        try:
            yield
        finally:
            self.draws = self.prompts = None

    @staticmethod
    def _wrap(module: nn.Module, rows: Callable[[], UniqueRows | None]) -> None:
        forward = module.forward

        def once(*arguments, **options) -> Tensor:
            known = rows()
            if known is None or not known.has_duplicates:
                return forward(*arguments, **options)
            return known.evaluate(forward, *arguments, **options)

        module.forward = once


def supports_cache(unet: UNet2DConditionModel) -> bool:
    """Whether the network's first block is Stable Diffusion's: an attention without text, then one with it, and no text in the time."""
    transformer = next(iter(getattr(unet.down_blocks[0], "attentions", [])), None)
    if not isinstance(transformer, Transformer2DModel) or unet.config.addition_embed_type is not None:
        return False
    first = transformer.transformer_blocks[0]
    return first.attn2 is not None and not (first.only_cross_attention or first.double_self_attention)


def modules_before_text(unet: UNet2DConditionModel) -> list[nn.Module]:
    """The modules that x_t and t pass on their way to the first cross-attention, in order."""
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
