"""Draws: (t, eps) as a function of (seed, dataset, image, draw), equal in every batch, shard, process and on every device."""

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Increase it when the same noise key would give another draw; it is part of the identity of every stored score.
NOISE_VERSION = 1


@dataclass(frozen=True)
class Draw:
    """One noise sample: diffusion time `t` in [0, 1), and `eps` with the shape of x, float32."""

    t: float
    eps: NDArray[np.float32]


class _Stream(threading.local):
    """One Philox generator per thread, moved from key to key: constructing one per draw takes eight times as long."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)
        self.start = self.bits.state
        self.generator = np.random.Generator(self.bits)


_stream = _Stream()


def noise_generator(seed: int, dataset: str, image: str, draw: int, prompt: str | None = None) -> np.random.Generator:
    """Return the random generator of a noise key; it is valid until the thread's next call.

    Philox is counter-based: any two keys give independent streams.
    """
    noise_key = repr((NOISE_VERSION, seed, dataset, image, draw, prompt)).encode()
    key = int.from_bytes(hashlib.blake2b(noise_key, digest_size=16).digest())
    _stream.start["state"]["key"][:] = key & 0xFFFFFFFFFFFFFFFF, key >> 64
    _stream.bits.state = _stream.start
    return _stream.generator


def sample_time(seed: int, dataset: str, image: str, draw: int, prompt: str | None = None) -> float:
    """Return only the t of a draw, t ~ U[0, 1)."""
    return noise_generator(seed, dataset, image, draw, prompt).random()


def sample_draw(
    seed: int, dataset: str, image: str, draw: int, shape: tuple[int, ...], prompt: str | None = None
) -> Draw:
    """Return the draw of a noise key, t ~ U[0, 1) and eps ~ N(0, I).

    Parameters
    ----------
    seed, dataset, image, draw
        The noise key: seed of the run, names of the data set and the image, number of the draw.
    shape
        Shape of x without the batch dimension.
    prompt
        Without it, all classes of the image share the draw. With it, each prompt has its own draw (unshared noise of Figure 2).

    Notes
    -----
    Sampled on the CPU, so that x_t is the same on every device.

    References
    ----------
    Clark & Jaini 2023, Algorithm 1.
    """
    rng = noise_generator(seed, dataset, image, draw, prompt)
    t = rng.random()
    return Draw(t, rng.standard_normal(shape, dtype=np.float32))
