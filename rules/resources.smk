# Run time and memory that jobs request: the estimates of diffzero.workflow.resources, within the limits of the site.
# They are stated here and not under `default-resources` of a workflow profile: that key replaces the whole block of
# slurm/config.yaml, with its partition and time limit.
import functools
from dataclasses import asdict

from diffzero.cluster import gpu_lock
from diffzero.cluster.slurm import guard, profile, queue
from diffzero.workflow import resources as job_resources
from diffzero.workflow import snakemake_internals


@functools.cache
def max_minutes(rule_name):
    """Return the time limit of a job: the profile's walltime_cap or the limit of its partition, whichever is shorter."""
    site = snakemake_internals.profile_resources(workflow, rule_name)
    partition = site.get("slurm_partition") if snakemake_internals.runs_on_slurm(workflow) else None
    try:
        limit = queue.partition_time_limit(partition.strip("\"'"), queue.query_patiently) if partition else None
    except queue.SlurmUnreachableError as error:
        sys.exit(f"diffzero: {error.advice}")
    return min(site.get("walltime_cap", job_resources.MAX_MINUTES), limit or job_resources.MAX_MINUTES)


def require_gpu():
    """Before any job runs on this machine, refuse a device that it does not have."""
    if snakemake_internals.runs_jobs_here(workflow) and snakemake_internals.needs_gpu(workflow):
        if problem := gpu_lock.describe_missing_gpu(RUN.device):
            sys.exit(f"diffzero: {', '.join(map(str, CONFIG_FILES))}: {problem}")


def score_job_limit():
    """Return the time limit of score jobs on the cluster, as plain values. The profile need not be given on the command line."""
    try:
        return asdict(profile.job_limit(ROOT, "score", snakemake_internals.profile_resources(workflow, "score")))
    except queue.SlurmError as error:
        sys.exit(f"diffzero: {error}")


def guard_slurm():
    """Before anything is submitted, refuse settings that hang and wait for jobs that outlived their Snakemake."""
    if snakemake_internals.runs_on_slurm(workflow):
        guard.guard(workflow)


def needs(mem_mb=4000, runtime=10):
    """Return the resources of a job on the CPU; every further attempt requests as much again."""
    return {
        "mem_mb": lambda wildcards, attempt: mem_mb * attempt,
        "runtime": lambda wildcards, attempt, rulename: min(runtime * attempt, max_minutes(rulename)),
    }


def needs_gpu(mem_mb=8000, runtime=60):
    """Return the resources of a job on the run's device. Both numbers may be functions of the wildcards, as in a rule."""
    request = needs(mem_mb, runtime)
    request |= {name: value for name, value in (("mem_mb", mem_mb), ("runtime", runtime)) if callable(value)}
    return request | {"gpu": 0 if RUN.device == "cpu" else 1}


def per_model(base, model):
    """Return the name of a rule that exists once per model; it gets the resources that the profile sets for `base`."""
    return snakemake_internals.inherit_profile_resources(workflow, f"{base}_{model}", base)


def score_minutes(wildcards, attempt, rulename):
    calls = EXPERIMENT.expected_calls_per_shard(scoring_of(wildcards))
    return job_resources.score_minutes(calls, EXPERIMENT.model(wildcards.model), RUN.device, attempt, max_minutes(rulename))


def encoder_minutes(datasets=None, latents=True, text=True):
    """Return the minutes function of a job that encodes these data sets, or the one that its wildcards name."""

    def minutes(wildcards, attempt, rulename):
        each = [job_resources.encoding_gflops(EXPERIMENT, wildcards.model, name) for name in datasets or [wildcards.dataset]]
        gflops = sum(latents * images + text * prompts for images, prompts in each)
        return job_resources.encoder_minutes(gflops, RUN.device, attempt, max_minutes(rulename))

    return minutes


def model_memory(model):
    """Return the memory function of a job that loads the denoiser of this model."""
    return lambda wildcards, attempt: job_resources.denoiser_memory(EXPERIMENT.model(model), attempt)


def denoiser_memory(wildcards, attempt):
    return job_resources.denoiser_memory(EXPERIMENT.model(wildcards.model), attempt)


def encoder_memory(wildcards, attempt):
    return job_resources.encoder_memory(EXPERIMENT.model(wildcards.model), attempt)
