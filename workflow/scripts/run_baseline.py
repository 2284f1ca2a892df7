"""Run one baseline on every data set of the run, in each of its input settings."""

from pathlib import Path

import pandas as pd
import torch
from pydantic import TypeAdapter

from diffzero import models
from diffzero.baselines import clip, supervised
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.config import Clip, Model
from diffzero.scoring.problem import read_prompts
from diffzero.utils.freshness import fresh_digests
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import read_parquet, read_record, write_parquet
from diffzero.workflow.paths import downsample_to_of

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
source = snakemake.input
settings = TypeAdapter(Model).validate_python(snakemake.params.baseline)
checkpoint = Path(read_record(source.weights)["folder"])


def classify(
    images: pd.DataFrame, items: pd.DataFrame, prompts: Path, dataset: str, downsample_to: int | None
) -> pd.DataFrame:
    """Return the baseline's predictions on one data set in one input setting."""
    order = list(images["image"])
    if isinstance(settings, Clip):
        similarity = clip.image_text_similarities(
            settings, checkpoint, images, read_prompts(prompts), downsample_to, device
        )
        return clip.clip_predictions(items, order, similarity)
    outputs = supervised.class_outputs(settings.classes[dataset], read_record(prompts)["classnames"])
    probabilities = supervised.predict_probabilities(checkpoint, images, downsample_to, device)
    return supervised.supervised_predictions(items, order, supervised.class_probabilities(probabilities, outputs))


if isinstance(settings, Clip):
    for file in map(Path, source.prompts):
        clip.require_clip_prompts_fit(settings, checkpoint, read_prompts(file), file.parent.name)
with reserve_gpu(snakemake.params.device) as name:
    device = models.pick_device(name)
    for images, items, prompts, output in zip(
        source.images, source.item_table, source.prompts, snakemake.output, strict=True
    ):
        path = Path(output)
        sources = fresh_digests([images, items, prompts, source.weights])
        table = classify(
            read_parquet(images), read_parquet(items), Path(prompts), path.parent.name, downsample_to_of(path)
        )
        write_parquet(table, path, sources)
