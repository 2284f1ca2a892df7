"""A supervised baseline on one data set, in one input setting."""

from pathlib import Path

import pandas as pd
import torch

from diffzero import models
from diffzero.baselines import supervised
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.utils.io import read_json, write_parquet
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
via = None if snakemake.wildcards.via == "none" else int(snakemake.wildcards.via)
images = pd.read_parquet(snakemake.input.images)
names = read_json(Path(snakemake.input.prompts))["classnames"]
folder = Path(read_json(Path(snakemake.input.weights))["folder"])
outputs = supervised.class_outputs(snakemake.params.classes, names)
with reserve_gpu(snakemake.params.device) as device:
    found = supervised.predict_probabilities(folder, images, via, models.pick_device(device))
items = pd.read_parquet(snakemake.input.decisions)
table = supervised.supervised_predictions(items, list(images["image"]), supervised.class_probabilities(found, outputs))
write_parquet(table, Path(snakemake.output[0]))
