"""The configuration: typed blocks that refuse unknown keys and cannot change after loading.

`make config-docs` writes the schema and the documentation of all keys.
"""

from diffzero.config.base import ConfigError
from diffzero.config.documentation import json_schema, markdown
from diffzero.config.loading import load_block, load_dataset, load_merged_run, load_model, load_run
from diffzero.config.models import Baseline, Clip, Diffusion, Mirror, Model, Supervised
from diffzero.config.run import CostEstimate, Run
from diffzero.config.studies import (
    Ablation,
    AttributeBinding,
    Figure2Efficiency,
    Figure3Denoised,
    Figure6Samples,
    FullScoring,
    Lewis,
)
from diffzero.data.dataset import Dataset

__all__ = [
    "Ablation",
    "AttributeBinding",
    "Baseline",
    "Clip",
    "ConfigError",
    "CostEstimate",
    "Dataset",
    "Diffusion",
    "Figure2Efficiency",
    "Figure3Denoised",
    "Figure6Samples",
    "FullScoring",
    "Lewis",
    "Mirror",
    "Model",
    "Run",
    "Supervised",
    "json_schema",
    "load_block",
    "load_dataset",
    "load_merged_run",
    "load_model",
    "load_run",
    "markdown",
]
