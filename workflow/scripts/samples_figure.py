"""Figure 6: samples from class prompts."""

from pathlib import Path

from safetensors.numpy import load_file

from diffzero.reporting.figures.samples import draw_samples
from diffzero.reporting.figures.style import save_figure
from diffzero.scoring.problem import read_prompts
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
pictures, entry = load_file(snakemake.input[0])["pictures"], snakemake.params.entry
prompts = read_prompts(Path(snakemake.input.prompts))[:MOST_PROMPTS]
settings = f"{entry['steps']} steps, guidance {entry['guidance']:g}, seed {snakemake.params.seed}"
title = f"{snakemake.wildcards.model}: {settings}; no picture left out"
save_figure(draw_samples(pictures, prompts, title), Path(snakemake.output.svg).with_suffix(""))
