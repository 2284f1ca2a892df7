"""Scene captions as the mini models are trained on them."""

import numpy as np
import pandas as pd

from diffzero.binding.scenes import SEEN_PAIRS, sample_scene
from diffzero.training.captions import scene_caption
from diffzero.training.data import scene_objects
from diffzero.training.recipe import DATA_MIXES


def scene_row(index: int) -> dict[str, str]:
    """Return the columns of a scene table that describe the objects of scene `index`."""
    objects = sample_scene(11, index, SEEN_PAIRS).objects
    return {f"{item.position}_{name}": getattr(item, name) for item in objects for name in ("shape", "colour", "size")}


def sample_captions(count: int) -> list[str]:
    """Return captions of 200 scenes, made with each of the data mixes in turn."""
    rng = np.random.default_rng(0)
    scenes = [pd.Series(scene_row(index)) for index in range(200)]
    mixes = [DATA_MIXES[name] for name in sorted(DATA_MIXES)]
    return [scene_caption(scene_objects(scenes[n % 200]), mixes[n % len(mixes)], rng) for n in range(count)]
