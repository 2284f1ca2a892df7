"""A CLIP baseline on one data set, in one input setting."""

from pathlib import Path

import pandas as pd
import torch
from pydantic import TypeAdapter

from diffzero import models
from diffzero.baselines import clip
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.config import Clip
from diffzero.scoring.problem import read_prompts
from diffzero.utils.io import read_json, write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
settings = TypeAdapter(Clip).validate_python(snakemake.params.clip)
via = None if snakemake.wildcards.via == "none" else int(snakemake.wildcards.via)
images = pd.read_parquet(snakemake.input.images)
prompts = read_prompts(Path(snakemake.input.prompts))
folder = Path(read_json(Path(snakemake.input.weights))["folder"])
with reserve_gpu(snakemake.params.device) as device:
    similarity = clip.image_text_similarities(settings, folder, images, prompts, via, models.pick_device(device))
items = pd.read_parquet(snakemake.input.decisions)
write_parquet(clip.clip_predictions(items, list(images["image"]), similarity), Path(snakemake.output[0]))
