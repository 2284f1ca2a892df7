"""Where in t the decision is made, from unpruned scores."""

from pathlib import Path

from diffzero.analysis.load import load_full_scores
from diffzero.analysis.timesteps import timestep_profile
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.reporting.figures.style import save_figure
from diffzero.reporting.figures.timesteps import draw_timesteps
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
wildcards, output = snakemake.wildcards, snakemake.output
data, schedule = load_full_scores(snakemake.params.sources)[wildcards.model, wildcards.dataset]
table = timestep_profile(data, make_weight_fn(parse_weighting(snakemake.params.weighting), schedule))
write_atomically(Path(output.csv), table.to_csv(index=False, float_format="%.6g").encode())
save_figure(draw_timesteps(table, f"{wildcards.model} on {wildcards.dataset}"), Path(output.svg).with_suffix(""))
