"""The configuration: typed, closed, frozen. `python -m diffzero.config` rewrites its schema and its documentation."""

from diffzero.config.base import ConfigError
from diffzero.config.datasets import Archive, Dataset, Digits, Download, Folder, Hub, Parquet, Source, Webdataset
from diffzero.config.documentation import json_schema, markdown
from diffzero.config.loading import load_block, load_dataset, load_model, load_run
from diffzero.config.models import Baseline, Clip, Diffusion, Mirror, Model, Supervised
from diffzero.config.run import (
    Binding,
    Denoised,
    Efficiency,
    Lewis,
    Plan,
    Policy,
    Run,
    Samples,
    Stage,
    Unpruned,
    Variant,
    Weighting,
)

__all__ = [
    "Archive",
    "Baseline",
    "Binding",
    "Clip",
    "ConfigError",
    "Dataset",
    "Denoised",
    "Diffusion",
    "Digits",
    "Download",
    "Efficiency",
    "Folder",
    "Hub",
    "Lewis",
    "Mirror",
    "Model",
    "Parquet",
    "Plan",
    "Policy",
    "Run",
    "Samples",
    "Source",
    "Stage",
    "Supervised",
    "Unpruned",
    "Variant",
    "Webdataset",
    "Weighting",
    "json_schema",
    "load_block",
    "load_dataset",
    "load_model",
    "load_run",
    "markdown",
]
