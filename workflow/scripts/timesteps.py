"""Where in t the decision is made, from unpruned scores."""

from pathlib import Path

from diffzero import figures
from diffzero.config import Weighting
from diffzero.files import write_atomically
from diffzero.logs import log_to
from diffzero.results import unpruned
from diffzero.timesteps import profile
from diffzero.weighting import weigh

log_to(snakemake.log[0])
wildcards, output = snakemake.wildcards, snakemake.output
data, schedule = unpruned(snakemake.params.sources)[wildcards.model, wildcards.dataset]
table = profile(data, weigh(Weighting(**snakemake.params.weighting), schedule))
write_atomically(Path(output.csv), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.timesteps(table, f"{wildcards.model} on {wildcards.dataset}"), Path(output.svg).with_suffix(""))
