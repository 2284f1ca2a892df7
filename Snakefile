# diffzero: text-to-image diffusion models as zero-shot classifiers.
#   make demo                      the whole experiment in miniature (config/demo.yaml)
#   snakemake --profile slurm      the paper's run (config/config.yaml) on a cluster
import logging
import os
import re
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

ROOT = Path(workflow.basedir)
# The only place that makes src/ importable: here for the rules, in the environment for every script. Jobs on cluster nodes read
# this file again.
sys.path.insert(0, str(ROOT / "src"))
os.environ.update(PYTHONPATH=str(ROOT / "src"))

from diffzero.binding.lewis import LEWIS
from diffzero.config import ConfigError, load_merged_run
from diffzero.utils.fields import DATASET_NAME, MODEL_NAME, SLUG
from diffzero.workflow import command_line, cost, snakemake_internals
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES
from diffzero.workflow.stale_results import future_files_message, stale_results_message
from diffzero.workflow.targets import TargetSet

# A file given with --configfile replaces the paper's configuration. If it were merged, omitted keys would have the paper's values.
CONFIG_FILES = [*([] if "models" in config else ["config/config.yaml"]), *snakemake_internals.config_files(workflow)]
if not snakemake_internals.is_main_process(workflow):
    logging.getLogger("diffzero.config").setLevel(logging.ERROR)  # the main process has said it
try:
    EXPERIMENT = Experiment(load_merged_run(CONFIG_FILES, snakemake_internals.config_overrides(workflow), ROOT), ROOT)
except ConfigError as error:
    command_line.print_error(error)
    sys.exit(1)

# For Snakemake's own report, which names the configuration files.
if "models" not in config:

    configfile: "config/config.yaml"


RUN, RESULTS = EXPERIMENT.run, EXPERIMENT.run_dir
snakemake_internals.check_snakemake_version(workflow)


wildcard_constraints:
    model=MODEL_NAME,
    dataset=DATASET_NAME,
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    race=SLUG,
    weighting=SLUG,


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/score.smk"
include: "rules/baselines.smk"
include: "rules/images.smk"


# What tables, figures and the report show: all results that the run requests, or only the existing ones.
TARGETS = TargetSet(EXPERIMENT, asks_for_existing_results, this_command())


# Time stamps, by which Snakemake decides, may say that results on other images are up to date.
if snakemake_internals.is_main_process(workflow) and (message := future_files_message(EXPERIMENT) or stale_results_message(EXPERIMENT)):
    sys.exit(f"diffzero: {message}")


include: "rules/results_common.smk"
include: "rules/results.smk"
include: "rules/train.smk"
include: "rules/plan.smk"


# Snakemake starts the jobs on cluster nodes with --no-hooks.
onstart:
    require_gpu()
    guard_slurm()


onsuccess:
    if makes_results():
        sys.stderr.write(TARGETS.missing_summary())
        print(closing_message(success=True))


onerror:
    if makes_results():
        print(closing_message(success=False))


rule all:
    default_target: True
    input:
        TARGETS.table_files(),
        lambda wildcards: TARGETS.export_files(),
        lambda wildcards: TARGETS.figure_files(),
        f"{RESULTS}/report.html",
        roots,


# All scores: nearly all of the GPU time. To split a very large run: `scores --batch scores=1/3`.
rule scores:
    input:
        [shard for scoring in EXPERIMENT.scorings.values() for shard in EXPERIMENT.score_files(scoring)],


rule tables:
    input:
        TARGETS.table_files(),
        lambda wildcards: TARGETS.export_files(),
        roots,


rule figures:
    input:
        lambda wildcards: TARGETS.figure_files(),
        roots,


rule report:
    input:
        f"{RESULTS}/report.html",
        roots,


require_known_targets()
