"""Every figure from stored scores and predictions. Each function returns a figure; `save` writes it."""

from diffzero.reporting.figures.decisions import breakdown, calls, confusion, controlled, paired, shapes
from diffzero.reporting.figures.paper import KINDS, VARIANTS, binding, denoised, efficiency, race, samples, save
from diffzero.reporting.figures.replayed import frontier, reliability, sensitivity, timesteps
from diffzero.reporting.figures.scenes import scenes

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
