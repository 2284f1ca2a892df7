"""Prepare the test images, prompts and items of one data set."""

from pathlib import Path

from pydantic import TypeAdapter

from diffzero.config import Dataset
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.selection import load_test_images, selection_record
from diffzero.data.source_files import RECORD, dataset_files, record_images
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digests_of, write_parquet, write_record

configure_logging(snakemake.log[0])
params, output = snakemake.params, snakemake.output
dataset, state = TypeAdapter(Dataset).validate_python(params.dataset), Path(snakemake.input.state)
before = [files.stamps() for files in dataset_files(dataset, Path())]
images = load_test_images(dataset, params.max_images, params.subset_seed, Path(), params.stratified)
prompts = class_prompts(dataset.prompt_templates[dataset.prompt_template], dataset.classnames)

write_parquet(images, Path(output.images))
write_record(selection_record(images, params.subset_seed, params.stratified), Path(output.selection))
write_record(prompts, Path(output.prompts))
sources = digests_of([output.images, output.prompts])
write_parquet(classification_items(images, prompts), Path(output.item_table), sources)
# Not an output: the main process updates the times in it when a file has a new time and its old content.
record_images(before, dataset, images, state, Path()).write(state.with_name(RECORD))
