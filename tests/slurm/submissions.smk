# Three tiny score jobs with the guard of the real workflow: submissions are tested without models.
from diffzero.cluster.slurm import guard, queue
from diffzero.workflow import snakemake_internals


onstart:
    if snakemake_internals.runs_on_slurm(workflow):
        guard.guard(workflow)


rule all:
    input:
        expand("out/{shard}.txt", shard=range(3)),


rule score:
    output:
        "out/{shard}.txt",
    log:
        "logs/{shard}.log",
    resources:
        gpu=1,
        mem_mb=1000,
        runtime=lambda wildcards: min(5, queue.partition_time_limit("gpu", queue.query_patiently)),
    shell:
        "echo work > {log}; sleep 1; echo {wildcards.shard} > {output}"
