"""Prepare scenes as test images, with the prompts and items of the binding tasks."""

from pathlib import Path

from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digests_of, read_parquet, write_parquet, write_record

configure_logging(snakemake.log[0])
params = snakemake.params
images = build_scene_images({path: read_parquet(path) for path in snakemake.input}, params.unknown)
prompts, items = build_binding_items(images, params.per_task, params.seed, params.unknown)
write_parquet(images, Path(snakemake.output.images), digests_of(snakemake.input))
write_record(prompts, Path(snakemake.output.prompts), digests_of(snakemake.input))
sources = digests_of([snakemake.output.images, snakemake.output.prompts])
write_parquet(items, Path(snakemake.output.item_table), sources)
