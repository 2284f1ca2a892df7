"""Train one mini model."""

from pathlib import Path

import torch

from diffzero.training import data, trainers
from diffzero.training.recipe import DATA_MIXES, TrainConfig
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
config = TrainConfig(**snakemake.params.config)
scenes = [Path(path) for path in snakemake.input.scenes]
training_set = data.load_training_set(Path(snakemake.input.fashion), scenes, DATA_MIXES[config.data_mix])
out, name = Path(snakemake.output[0]).parent, snakemake.wildcards.name
start, vae = (Path(file).parent if file else None for file in (snakemake.input.start, snakemake.input.vae))
if name == "vae":
    trainers.train_vae(training_set, out, config)
elif name.startswith("mini-sd"):
    trainers.train_sd(training_set, out, config, start, vae)
else:
    trainer = trainers.train_if if name.startswith("mini-if") else trainers.train_clip
    trainer(training_set, out, config, start)
