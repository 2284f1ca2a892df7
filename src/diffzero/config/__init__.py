"""The configuration: typed, closed, frozen. `python -m diffzero.config` rewrites its schema and its documentation."""

from diffzero.config.base import ConfigError
from diffzero.config.documentation import json_schema, markdown
from diffzero.config.loading import load_block, load_dataset, load_model, load_run
from diffzero.config.models import Baseline, Clip, Diffusion, Mirror, Model, Supervised
from diffzero.config.run import (
    Ablation,
    AttributeBinding,
    CostEstimate,
    Figure2Efficiency,
    Figure3Denoised,
    Figure6Samples,
    FullScoring,
    Lewis,
    Run,
)
from diffzero.data.dataset import Dataset

__all__ = [
    "Baseline",
    "AttributeBinding",
    "Clip",
    "ConfigError",
    "Dataset",
    "Figure3Denoised",
    "Diffusion",
    "Figure2Efficiency",
    "Lewis",
    "Mirror",
    "Model",
    "CostEstimate",
    "Run",
    "Figure6Samples",
    "Supervised",
    "FullScoring",
    "Ablation",
    "json_schema",
    "load_block",
    "load_dataset",
    "load_model",
    "load_run",
    "markdown",
]
