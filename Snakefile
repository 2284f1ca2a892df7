# diffzero: text-to-image diffusion models as zero-shot classifiers.
#   make demo                      the whole experiment in miniature (config/demo.yaml)
#   snakemake --profile slurm      the paper's run (config/config.yaml) on a cluster
import os
import re
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
# The one place that makes src/ importable: here for the rules, in the environment for every script, also on cluster nodes,
# whose jobs read this file again.
sys.path.insert(0, str(ROOT / "src"))
os.environ.update(PYTHONPATH=str(ROOT / "src"))

from diffzero.utils.frozen_model import PATH_NAME
from diffzero.workflow import cost
from diffzero.config import ConfigError, load_run
from diffzero.binding.lewis import LEWIS
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES
from diffzero.workflow.targets import TargetSet, command_line

# A file given with --configfile stands alone: merged into the paper's, it would inherit what it leaves out.
if "models" not in config:

    configfile: "config/config.yaml"


try:
    EXPERIMENT = Experiment(load_run(config, ROOT, where=", ".join(map(str, workflow.configfiles)) or "--config"), ROOT)
except ConfigError as error:
    sys.exit(f"diffzero: {error}")

RUN, RESULTS = EXPERIMENT.run, EXPERIMENT.run_dir


wildcard_constraints:
    model=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9_-]+",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    race=PATH_NAME,
    weighting=PATH_NAME,


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/score.smk"
include: "rules/replay.smk"
include: "rules/baselines.smk"
include: "rules/binding.smk"


TARGETS = TargetSet(EXPERIMENT, is_partial_report_requested, this_command())


include: "rules/tables.smk"
include: "rules/cue_conflict.smk"
include: "rules/binding_results.smk"
include: "rules/studies.smk"
include: "rules/figures.smk"
include: "rules/replayed.smk"
include: "rules/report.smk"
include: "rules/train.smk"
include: "rules/plan.smk"
include: "rules/check.smk"


# Not in the jobs on cluster nodes: Snakemake starts those with --no-hooks.
onstart:
    guard_slurm()


onsuccess:
    if not only_asked():
        sys.stderr.write(TARGETS.missing_summary())
        print(cost.closing_message(Path(RESULTS) / "scores", sys.argv, f"{RESULTS}/tables", success=True))


onerror:
    if not only_asked():
        print(cost.closing_message(Path(RESULTS) / "scores", sys.argv, f"{RESULTS}/tables", success=False))


rule all:
    default_target: True
    input:
        TARGETS.table_files(),
        lambda wildcards: TARGETS.export_files(),
        lambda wildcards: TARGETS.figure_files(),
        f"{RESULTS}/report.html",


# All that needs a GPU for long, and the rule to split very large runs by: `scores --batch scores=1/3`.
rule scores:
    input:
        [shard for scoring in EXPERIMENT.scorings.values() for shard in EXPERIMENT.score_files(scoring)],


rule tables:
    input:
        TARGETS.table_files(),
        lambda wildcards: TARGETS.export_files(),


rule figures:
    input:
        lambda wildcards: TARGETS.figure_files(),


rule report:
    input:
        f"{RESULTS}/report.html",
