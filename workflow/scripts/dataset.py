"""Test images, prompts and items of one data set."""

from pathlib import Path

from pydantic import TypeAdapter

from diffzero.config import Dataset
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.selection import load_test_images, selection_record
from diffzero.utils.io import write_json, write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
dataset = TypeAdapter(Dataset).validate_python(snakemake.params.dataset)
seed, stratified = snakemake.params.subset_seed, snakemake.params.stratified
images = load_test_images(dataset, snakemake.params.max_images, seed, Path(), stratified)
prompts = class_prompts(dataset.prompt_templates[dataset.prompt_template], dataset.classnames)

write_parquet(images, Path(snakemake.output.images))
write_json(selection_record(images, seed, stratified), Path(snakemake.output.selection))
write_json(prompts, Path(snakemake.output.prompts))
write_parquet(classification_items(images, prompts), Path(snakemake.output.decisions))
