"""Train one of the mini models."""

from pathlib import Path

import torch

from diffzero.training import data, training
from diffzero.training.recipe import MIXTURES, Course
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
course = Course(**snakemake.params.course)
scenes = [Path(path) for path in snakemake.input.scenes]
training_set = data.load(Path(snakemake.input.fashion), scenes, MIXTURES[course.mixture])
out, name = Path(snakemake.output[0]).parent, snakemake.wildcards.name
start, vae = (Path(file).parent if file else None for file in (snakemake.input.start, snakemake.input.vae))
if name == "vae":
    training.train_vae(training_set, out, course)
elif name.startswith("mini-sd"):
    training.train_sd(training_set, out, course, start, vae)
else:
    trainer = training.train_if if name.startswith("mini-if") else training.train_clip
    trainer(training_set, out, course, start)
