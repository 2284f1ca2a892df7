"""Draws as addresses: (seed, dataset, image, draw) -> (t, eps), the same in any batch, shard, process and on any device."""

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Bump when the same address would give another draw; it is part of every score's identity.
NOISE_VERSION = 1


@dataclass(frozen=True)
class Draw:
    """One noise sample: diffusion time `t` in [0, 1) and `eps` of the shape of x, fp32."""

    t: float
    eps: NDArray[np.float32]


class _Stream(threading.local):
    """One Philox generator a thread, moved from address to address: making a new one for each draw takes eight times as long."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)
        self.start = self.bits.state
        self.generator = np.random.Generator(self.bits)


_stream = _Stream()


def generator(seed: int, dataset: str, image: str, draw: int, prompt: str | None = None) -> np.random.Generator:
    """A counter-based generator at the address's key, good until the thread asks for another.

    Philox gives unrelated streams for any two keys.
    """
    address = repr((NOISE_VERSION, seed, dataset, image, draw, prompt)).encode()
    key = int.from_bytes(hashlib.blake2b(address, digest_size=16).digest())
    _stream.start["state"]["key"][:] = key & 0xFFFFFFFFFFFFFFFF, key >> 64
    _stream.bits.state = _stream.start
    return _stream.generator


def sample_time(seed: int, dataset: str, image: str, draw: int, prompt: str | None = None) -> float:
    """The t of a draw alone: t ~ U[0, 1)."""
    return generator(seed, dataset, image, draw, prompt).random()


def sample_draw(
    seed: int, dataset: str, image: str, draw: int, shape: tuple[int, ...], prompt: str | None = None
) -> Draw:
    """The draw at an address (paper, Algorithm 1: t ~ U[0, 1], eps ~ N(0, I)).

    Without `prompt` every class of the image gets this draw (shared noise); with it, each prompt has its own (Figure 2, unshared).
    Generated on the CPU whatever the device, so that a GPU and a laptop score the same x_t.
    """
    rng = generator(seed, dataset, image, draw, prompt)
    t = rng.random()
    return Draw(t, rng.standard_normal(shape, dtype=np.float32))
