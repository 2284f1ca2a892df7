"""Print the requirements of the run and whether they are available; fail if the run would fail."""

from pathlib import Path

from diffzero.config import Run
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import check, require, to_text

configure_logging(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
needs = check(experiment)
print(to_text(needs, experiment.run.name), flush=True)
require(needs)
