"""Train one of the mini models."""

from pathlib import Path

import torch

from diffzero.logs import log_to
from diffzero.mini import data, train
from diffzero.mini.recipe import MIXTURES, Course

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
course = Course(**snakemake.params.course)
scenes = [Path(path) for path in snakemake.input.scenes]
training_set = data.load(Path(snakemake.input.fashion), scenes, MIXTURES[course.mixture])
out, name = Path(snakemake.output[0]).parent, snakemake.wildcards.name
start, vae = (Path(file).parent if file else None for file in (snakemake.input.start, snakemake.input.vae))
if name == "vae":
    train.train_vae(training_set, out, course)
elif name.startswith("mini-sd"):
    train.train_sd(training_set, out, course, start, vae)
else:
    trainer = train.train_if if name.startswith("mini-if") else train.train_clip
    trainer(training_set, out, course, start)
