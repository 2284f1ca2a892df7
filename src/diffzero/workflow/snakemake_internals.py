"""Read and change private state of Snakemake; no other module of diffzero does so.

Snakemake may rename the attributes that hold its settings in a minor version; `check_snakemake_version` warns before anything fails.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow
    from snakemake_executor_plugin_slurm import Executor, ExecutorSettings
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

TESTED = "9.27"


def check_snakemake_version(workflow: Workflow) -> None:
    """Warn on the terminal about a minor version of Snakemake that diffzero is not tested with."""
    found = metadata.version("snakemake")
    if is_main_process(workflow) and found.split(".")[:2] != TESTED.split("."):
        print(
            f"diffzero: found Snakemake {found}, tested with {TESTED}. If the run fails in the Snakefile or rules/, install the tested "
            f"version: pip install 'snakemake=={TESTED}.*'",
            file=sys.stderr,
        )


def is_command(argv: Sequence[str]) -> bool:
    """Return whether this is a command line of Snakemake, and not one of a program that uses its Python interface."""
    program = Path(argv[0])
    return program.name == "snakemake" or program.parts[-2:] == ("snakemake", "__main__.py")


def parse_snakemake_command(arguments: Sequence[str]) -> Namespace:
    """Return the options and targets of a command line, without those of profiles."""
    from snakemake.cli import get_argument_parser

    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = get_argument_parser().parse_args(list(arguments[:end]))
    options.targets = [*options.targets, *arguments[end + 1 :]]
    return options


def rule_names(workflow: Workflow, with_wildcards: bool) -> list[str]:
    """Return the rules whose files have wildcards, or those whose files have none, which can be named as a target."""
    return [rule.name for rule in workflow.rules if bool(rule.has_wildcards()) == with_wildcards]


def can_make(workflow: Workflow, path: str) -> bool:
    """Return whether a rule makes a file. As in Snakemake, an absolute path stays as it is: results may be in such a folder."""
    file = path if os.path.isabs(path) else os.path.relpath(path)
    return any(rule.is_producer(file) for rule in workflow.rules)


def config_files(workflow: Workflow) -> list[Path]:
    """Return the files given with --configfile."""
    return list(workflow.overwrite_configfiles)


def runs_jobs_here(workflow: Workflow) -> bool:
    """Return whether jobs run on this machine."""
    return bool(workflow.local_exec)


def needs_gpu(workflow: Workflow) -> bool:
    """Return whether a job that is about to run requests a GPU. Known once the plan is made."""
    return any(job.resources.get("gpu") for job in workflow.dag.needrun_jobs())


def requested_targets(workflow: Workflow) -> set[str]:
    """Return the targets on the command line; empty before the rules are read, in a job's own process, and for the default target."""
    return set(getattr(workflow.dag_settings, "targets", None) or [])


def is_main_process(workflow: Workflow) -> bool:
    """Return whether this process schedules jobs, as opposed to running one of them."""
    return bool(workflow.is_main_process)


def config_overrides(workflow: Workflow) -> Sequence[str]:
    """Return the KEY=VALUE entries given with --config."""
    return workflow.config_settings.config_args or []


def runs_on_slurm(workflow: Workflow) -> bool:
    """Return whether this Snakemake submits to SLURM. False inside its jobs, and without an executor."""
    return type(workflow.executor_settings).__module__ == "snakemake_executor_plugin_slurm"


def slurm_settings(workflow: Workflow) -> ExecutorSettings:
    """Return the settings of the SLURM executor plugin."""
    return workflow.executor_settings


def slurm_executor(workflow: Workflow) -> Executor:
    """Return the executor that submits jobs; it exists when Snakemake is about to start the first job."""
    executor: Executor = workflow.scheduler._executor
    return executor


def remote_jobs(workflow: Workflow) -> list[JobExecutorInterface]:
    """Return the planned jobs that are submitted, as opposed to those that run on this machine."""
    return [job for job in workflow.dag.needrun_jobs() if not job.is_local]


def working_directory(workflow: Workflow) -> Path:
    """Return the directory in which Snakemake was started."""
    return Path(workflow.workdir_init)


def release_lock(workflow: Workflow) -> None:
    """Remove the lock that this Snakemake holds on its working directory."""
    workflow.persistence.unlock()


def profile_resources(workflow: Workflow, rule: str) -> dict[str, int | str]:
    """Return the resources that the profile or command line sets for a rule: its own, else the defaults."""
    settings = workflow.resource_settings
    blocks = (settings._parsed_default_resources, settings._parsed_overwrite_resources.get(rule, {}))
    return {name: block[name].raw for block in blocks for name in block}


def inherit_profile_resources(workflow: Workflow, rule: str, base: str) -> str:
    """Give a rule the profile's resources for `base`, unless the profile names the rule. Call it before the rule is defined.

    Returns the name of the rule.
    """
    overwrites = workflow.resource_settings._parsed_overwrite_resources
    if base in overwrites:
        overwrites.setdefault(rule, overwrites[base])
    return rule
