"""Prepare scenes as test images, with the prompts and items of the binding tasks."""

from pathlib import Path

import pandas as pd

from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.utils.io import write_json, write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
params = snakemake.params
images = build_scene_images({path: pd.read_parquet(path) for path in snakemake.input}, params.unknown)
prompts, items = build_binding_items(images, params.per_task, params.seed, params.unknown)
write_parquet(images, Path(snakemake.output.images))
write_json(prompts, Path(snakemake.output.prompts))
write_parquet(items, Path(snakemake.output.item_table))
