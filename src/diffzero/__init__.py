"""Text-to-image diffusion models as zero-shot image classifiers (Clark & Jaini, NeurIPS 2023).

The names below classify one image from Python, as README.md shows; docs/architecture.md describes the packages beside them.
Each name is imported on first use, because most of them need PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffzero.api import Classification as Classification
    from diffzero.api import RankedPrompt as RankedPrompt
    from diffzero.api import classify as classify
    from diffzero.config.loading import load_model as load_model
    from diffzero.diffusion.weighting import Heuristic as Heuristic
    from diffzero.diffusion.weighting import Weighting as Weighting
    from diffzero.models.download import locate_checkpoint as locate_checkpoint
    from diffzero.pruning.policies import Policy as Policy
    from diffzero.pruning.policies import TTest as TTest

__version__ = "0.1.0"

# The same names and modules as above, for the interpreter.
_MODULES = {
    "Classification": "diffzero.api",
    "Heuristic": "diffzero.diffusion.weighting",
    "Policy": "diffzero.pruning.policies",
    "RankedPrompt": "diffzero.api",
    "TTest": "diffzero.pruning.policies",
    "Weighting": "diffzero.diffusion.weighting",
    "classify": "diffzero.api",
    "load_model": "diffzero.config.loading",
    "locate_checkpoint": "diffzero.models.download",
}

if not TYPE_CHECKING:  # To a type checker, a module with `__getattr__` has every name.
    __all__ = ["__version__", *_MODULES]

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *_MODULES})
