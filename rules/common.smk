# What rules ask about wildcards; the answers come from diffzero.experiment and diffzero.demand.
import functools

from diffzero import demand, slurm, slurm_guard


def dataset_block(wildcards):
    return EXPERIMENT.dataset(wildcards.dataset).model_dump(mode="json")


def model_value(key):
    return lambda wildcards: getattr(EXPERIMENT.model(wildcards.model), key)


def crops_of(wildcards):
    return f"{RESULTS}/crops/{wildcards.dataset}/{EXPERIMENT.model(wildcards.model).size}.npy"


def scoring_of(wildcards):
    return EXPERIMENT.scorings[wildcards.model, wildcards.dataset, int(wildcards.seed), wildcards.race]


def diffusion_scorings(binding):
    return [s for s in EXPERIMENT.main if (s.dataset == SCENES) == binding]


def table_sources(binding):
    """What a table is made of: one dictionary a prediction file."""
    rows = [
        {"model": s.model, "dataset": s.dataset, "seed": s.seed, "kind": "diffusion", "file": EXPERIMENT.predictions(s)} for s in diffusion_scorings(binding)
    ]
    for dataset in [SCENES] if binding else RUN.datasets:
        for name, file in EXPERIMENT.clip_predictions(dataset).items():
            rows.append({"model": name, "dataset": dataset, "seed": 0, "kind": "baseline", "file": file})
    return rows


def trained_on(names):
    return {name: EXPERIMENT.dataset(name).trained_on for name in names}


def efficiency_scores(wildcards, unshared):
    return EXPERIMENT.shards(EXPERIMENT.efficiency(wildcards.model, wildcards.dataset)[unshared])


def denoised_entry(wildcards):
    return next(e for e in RUN.denoised if (e.model, e.dataset) == (wildcards.model, wildcards.dataset)).model_dump()


def on_slurm():
    """Whether this Snakemake submits to SLURM (not: runs inside one of its jobs, nor plans without an executor)."""
    return type(workflow.executor_settings).__module__ == "snakemake_executor_plugin_slurm"


@functools.cache
def longest_minutes(rule_name=None):
    """What a job may ask for: the profile's walltime_cap (among default-resources) or, if less, its partition's own limit."""
    everywhere = workflow.resource_settings.default_resources or {}
    own = workflow.resource_settings.overwrite_resources.get(rule_name, {})
    site = {name: block[name].raw for block in (everywhere, own) for name in ("walltime_cap", "slurm_partition") if name in block.keys()}
    partition = slurm.partition_minutes(site["slurm_partition"].strip("\"'")) if on_slurm() and "slurm_partition" in site else None
    return min(site.get("walltime_cap", demand.LONGEST_MINUTES), partition or demand.LONGEST_MINUTES)


def guard_slurm():
    """Before anything is submitted: settings that hang are refused, jobs that outlived their Snakemake are waited for."""
    if on_slurm():
        slurm_guard.guard(workflow)


def score_minutes(wildcards, attempt):
    calls = EXPERIMENT.guessed_calls_a_shard(scoring_of(wildcards))
    return demand.minutes(calls, EXPERIMENT.model(wildcards.model), RUN.device, attempt, longest_minutes("score"))


def denoiser_memory(wildcards, attempt):
    return demand.denoiser_memory(EXPERIMENT.model(wildcards.model), attempt)


def encoder_memory(wildcards, attempt):
    return demand.encoder_memory(EXPERIMENT.model(wildcards.model), attempt)


def more_memory(megabytes):
    """The same again with every attempt: a job that was killed for memory gets more."""
    return lambda wildcards, attempt: megabytes * attempt


def more_minutes(minutes):
    return lambda wildcards, attempt: min(minutes * attempt, longest_minutes())
