"""The configuration: typed, closed, frozen. `python -m diffzero.config` rewrites its schema and its documentation."""

from diffzero.config.base import ConfigError
from diffzero.config.datasets import Archive, Dataset, Digits, Download, Folder, Hub, Parquet, Source, Webdataset
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

__all__ = [
    "Archive",
    "Baseline",
    "AttributeBinding",
    "Clip",
    "ConfigError",
    "Dataset",
    "Figure3Denoised",
    "Diffusion",
    "Digits",
    "Download",
    "Figure2Efficiency",
    "Folder",
    "Hub",
    "Lewis",
    "Mirror",
    "Model",
    "Parquet",
    "CostEstimate",
    "Run",
    "Figure6Samples",
    "Source",
    "Supervised",
    "FullScoring",
    "Ablation",
    "Webdataset",
    "json_schema",
    "load_block",
    "load_dataset",
    "load_model",
    "load_run",
    "markdown",
]
