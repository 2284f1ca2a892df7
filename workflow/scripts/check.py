"""Print the requirements of the run and whether they are available; fail if the run would fail."""

from pathlib import Path

from diffzero.config import Run
from diffzero.models.base import PromptTooLongError
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import check_requirements, format_requirements, require_available
from diffzero.workflow.prompt_checks import find_long_prompts

configure_logging(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
requirements = check_requirements(experiment)
print(format_requirements(requirements, experiment.run.name), flush=True)
require_available(requirements)
if messages := find_long_prompts(experiment):
    raise PromptTooLongError("\n".join(messages))
