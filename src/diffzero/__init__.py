"""Text-to-image diffusion models as zero-shot image classifiers (Clark & Jaini, NeurIPS 2023).

`diffzero.api.classify` classifies one image; the packages beside it are described in docs/architecture.md.
"""

__version__ = "0.1.0"
