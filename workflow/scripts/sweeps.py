"""Other policies, weightings and settings, replayed from unpruned scores: the cost frontier and the sensitivity grid."""

from pathlib import Path

import pandas as pd

from diffzero.analysis import sweeps
from diffzero.analysis.load import fixed_weights
from diffzero.config import Policy, Weighting
from diffzero.diffusion.schedule import read_schedule
from diffzero.diffusion.weighting import make_weight_fn
from diffzero.reporting import figures
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import pruning_of

configure_logging(snakemake.log[0])
source, output, wildcards = snakemake.params.sources[0], snakemake.output, snakemake.wildcards
policy, weighting = Policy(**snakemake.params.policy), Weighting(**snakemake.params.weighting)
pruning, title = pruning_of(policy), f"{wildcards.model} on {wildcards.dataset}"
schedule = read_schedule(Path(read_json(Path(source["weights"]))["folder"]))
items = pd.read_parquet(source["decisions"])
scores = pd.concat([pd.read_parquet(path) for path in source["shards"]], ignore_index=True)


def heuristic(rate: float) -> sweeps.Weight:
    """exp(-rate t); a rate of 0 is no weighting at all."""
    return make_weight_fn(weighting.model_copy(update={"kind": "heuristic", "decay": rate}), schedule)


table = sweeps.frontier(items, scores, pruning, fixed_weights(weighting, schedule))
write_atomically(Path(output.frontier), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.frontier(table, title), Path(output.frontier_svg).with_suffix(""))
table = sweeps.sensitivity(items, scores, pruning, weighting.decay, heuristic)
write_atomically(Path(output.sensitivity), table.to_csv(index=False, float_format="%.6g").encode())
figures.save(figures.sensitivity(table, weighting.decay, title), Path(output.sensitivity_svg).with_suffix(""))
