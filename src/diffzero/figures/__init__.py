"""Every figure from stored scores and predictions. Each function returns a figure; `save` writes it."""

from diffzero.figures.contact import scenes
from diffzero.figures.decisions import breakdown, calls, confusion, controlled, paired, shapes
from diffzero.figures.paper import KINDS, VARIANTS, binding, denoised, efficiency, race, samples, save
from diffzero.figures.replayed import frontier, reliability, sensitivity, timesteps

__all__ = [
    "KINDS",
    "VARIANTS",
    "binding",
    "breakdown",
    "calls",
    "confusion",
    "controlled",
    "denoised",
    "efficiency",
    "frontier",
    "paired",
    "race",
    "reliability",
    "samples",
    "save",
    "scenes",
    "sensitivity",
    "shapes",
    "timesteps",
]
