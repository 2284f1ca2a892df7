"""Train one of the mini models."""

from pathlib import Path

import torch

from diffzero.logs import log_to
from diffzero.mini import data, train
from diffzero.mini.recipe import Length

log_to(snakemake.log[0])
torch.set_num_threads(snakemake.threads)
training_set = data.load(Path(snakemake.input.fashion), [Path(path) for path in snakemake.input.scenes])
out, length = Path(snakemake.output[0]).parent, Length(**snakemake.params.length)
name = snakemake.wildcards.name
if name == "mini-sd":
    train.train_sd(training_set, Path(snakemake.input.vae).parent, out, length)
else:
    trainer = {"vae": train.train_vae, "mini-if": train.train_if, "mini-clip": train.train_clip}[name]
    trainer(training_set, out, length)
