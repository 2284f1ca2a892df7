"""What the run needs and whether it is there, on the terminal. Fails where the run would."""

from pathlib import Path

from diffzero.check import check, require, to_text
from diffzero.config import Run
from diffzero.experiment import Experiment
from diffzero.logs import log_to

log_to(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
needs = check(experiment)
print(to_text(needs, experiment.run.run), flush=True)
require(needs)
