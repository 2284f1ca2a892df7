"""Comparison of widths and channels between the parts of a checkpoint, from their configurations."""

from collections.abc import Iterator, Mapping
from typing import Any

Config = Mapping[str, Any]


def unequal(name: str, found: object, expected: object, reference: str) -> Iterator[str]:
    """Yield a message if `found` differs from `expected`, the value of `reference`."""
    if found != expected:
        yield f"found {name} {found}, expected {expected}, the {reference}"


def text_width(network: Config) -> object:
    """Return the width of the text states that a U-Net reads: one number, or the configuration's list if its blocks differ."""
    if network.get("encoder_hid_dim") is not None:
        return network["encoder_hid_dim"]
    width = network["cross_attention_dim"]
    return width[0] if isinstance(width, list) and len(set(width)) == 1 else width
