"""Print the requirements of the run and whether they are available; fail if the run would fail."""

from pathlib import Path

from diffzero.config import Run
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import check_requirements, format_requirements, require_available

configure_logging(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
requirements = check_requirements(experiment)
print(format_requirements(requirements, experiment.run.name), flush=True)
require_available(requirements)
