"""Other policies, weightings and settings, replayed from unpruned scores: the cost frontier and the sensitivity grid."""

from pathlib import Path

import pandas as pd

from diffzero.analysis import sweeps
from diffzero.analysis.score_array import WeightFn
from diffzero.diffusion.schedule import read_schedule
from diffzero.diffusion.weighting import Heuristic, make_weight_fn, make_weight_fns, parse_weighting
from diffzero.pruning.policies import TTest, parse_policy
from diffzero.reporting.figures.frontier import draw_frontier
from diffzero.reporting.figures.sensitivity import draw_sensitivity
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, output, wildcards = snakemake.params.sources[0], snakemake.output, snakemake.wildcards
policy, weighting = parse_policy(snakemake.params.policy), parse_weighting(snakemake.params.weighting)
pruning, title = TTest.of_run(policy), f"{wildcards.model} on {wildcards.dataset}"
own = weighting if isinstance(weighting, Heuristic) else Heuristic()
schedule = read_schedule(Path(read_json(Path(source["weights"]))["folder"]))
items = pd.read_parquet(source["items"])
scores = pd.concat([pd.read_parquet(path) for path in source["shards"]], ignore_index=True)


def heuristic(decay: float) -> WeightFn:
    """Return exp(-decay t)."""
    return make_weight_fn(Heuristic(decay=decay), schedule)


table = sweeps.replay_frontier(items, scores, pruning, make_weight_fns(weighting, schedule))
write_atomically(Path(output.frontier), table.to_csv(index=False, float_format="%.6g").encode())
save_figure(draw_frontier(table, title), Path(output.frontier_svg).with_suffix(""))
table = sweeps.replay_sensitivity(items, scores, pruning, own.decay, heuristic)
write_atomically(Path(output.sensitivity), table.to_csv(index=False, float_format="%.6g").encode())
save_figure(draw_sensitivity(table, own.decay, title), Path(output.sensitivity_svg).with_suffix(""))
