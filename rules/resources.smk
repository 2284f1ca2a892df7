# What rules ask for: minutes and memory of a job, by what it does (diffzero.workflow.resources) and by what the site allows.
import functools

from diffzero.cluster.slurm import guard, queue
from diffzero.workflow import resources as job_resources


def on_slurm():
    """Whether this Snakemake submits to SLURM (not: runs inside one of its jobs, nor plans without an executor)."""
    return type(workflow.executor_settings).__module__ == "snakemake_executor_plugin_slurm"


@functools.cache
def longest_minutes(rule_name):
    """What a job may ask for: the profile's walltime_cap (among default-resources) or, if less, its partition's own limit."""
    everywhere = workflow.resource_settings.default_resources or {}
    own = workflow.resource_settings.overwrite_resources.get(rule_name, {})
    site = {name: block[name].raw for block in (everywhere, own) for name in ("walltime_cap", "slurm_partition") if name in block.keys()}
    partition = queue.partition_time_limit(site["slurm_partition"].strip("\"'")) if on_slurm() and "slurm_partition" in site else None
    return min(site.get("walltime_cap", job_resources.MAX_MINUTES), partition or job_resources.MAX_MINUTES)


def guard_slurm():
    """Before anything is submitted: settings that hang are refused, jobs that outlived their Snakemake are waited for."""
    if on_slurm():
        guard.guard(workflow)


def score_minutes(wildcards, attempt, rulename):
    calls = EXPERIMENT.expected_calls_per_shard(scoring_of(wildcards))
    return job_resources.score_minutes(calls, EXPERIMENT.model(wildcards.model), RUN.device, attempt, longest_minutes(rulename))


def latent_minutes(wildcards, attempt, rulename):
    gflops = job_resources.encoding_gflops(EXPERIMENT, wildcards.model, wildcards.dataset)[0]
    return job_resources.encoder_minutes(gflops, RUN.device, attempt, longest_minutes(rulename))


def text_minutes(wildcards, attempt, rulename):
    gflops = job_resources.encoding_gflops(EXPERIMENT, wildcards.model, wildcards.dataset)[1]
    return job_resources.encoder_minutes(gflops, RUN.device, attempt, longest_minutes(rulename))


def denoiser_memory(wildcards, attempt):
    return job_resources.denoiser_memory(EXPERIMENT.model(wildcards.model), attempt)


def encoder_memory(wildcards, attempt):
    return job_resources.encoder_memory(EXPERIMENT.model(wildcards.model), attempt)


def more_memory(megabytes):
    """The same again with every attempt: a job that was killed for memory gets more."""
    return lambda wildcards, attempt: megabytes * attempt


def more_minutes(minutes):
    return lambda wildcards, attempt, rulename: min(minutes * attempt, longest_minutes(rulename))
