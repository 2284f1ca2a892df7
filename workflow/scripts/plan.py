"""Print the plan of a run, and write it to the folder of the run."""

from pathlib import Path

from diffzero.config import Run
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.plan import make_plan
from diffzero.workflow.plan_report import plan_to_markdown

configure_logging(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
text = plan_to_markdown(make_plan(experiment), experiment.run.cost_estimate, snakemake.params.walltime)
path = Path(experiment.run_dir) / "plan.md"
write_atomically(path, text.encode())
print(f"{text}\n({path})")
