"""Figure 2: accuracy against calls per class, replayed from unpruned scores."""

from pathlib import Path

import pandas as pd

from diffzero.analysis.sweeps import efficiency_curves
from diffzero.diffusion import schedule
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.pruning.policies import TTest, parse_policy
from diffzero.reporting.figures.efficiency import draw_efficiency
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json, write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
noise_schedule = schedule.read_schedule(Path(read_json(Path(snakemake.input.weights))["folder"]))
shared, unshared = (
    pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    for paths in (snakemake.input.shared, snakemake.input.unshared)
)
table = efficiency_curves(
    pd.read_parquet(snakemake.input.decisions),
    shared,
    unshared,
    TTest.of_run(parse_policy(snakemake.params.policy)),
    make_weight_fn(parse_weighting(snakemake.params.weighting), noise_schedule),
)
write_atomically(Path(snakemake.output.curves), table.to_csv(index=False, float_format="%.6g").encode())
figure = draw_efficiency(table, snakemake.wildcards.model, snakemake.wildcards.dataset)
save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
