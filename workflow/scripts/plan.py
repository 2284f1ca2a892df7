"""The plan of a run, on the terminal and beside its results; fail if a job outlasts the site's limit."""

from pathlib import Path

from diffzero.config import Run
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.plan import PlanError, make_plan
from diffzero.workflow.plan_report import describe_too_long, plan_to_markdown
from diffzero.workflow.plan_shards import JobLimit

configure_logging(snakemake.log[0])
experiment = Experiment(Run(**snakemake.params.run), Path(snakemake.params.root))
settings = experiment.run.cost_estimate
plan = make_plan(experiment, JobLimit(**snakemake.params.limit))
text = plan_to_markdown(plan, settings)
path = Path(experiment.run_dir) / "plan.md"
write_atomically(path, text.encode())
print(f"{text}\n({path})", flush=True)
if message := describe_too_long(plan, settings):
    raise PlanError(message)
