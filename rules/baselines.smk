# CLIP on the same images and prompts, in each of its input settings.


rule clip:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        f"{RESULTS}/baselines/{{model}}/{{dataset}}/via-{{via}}.parquet",
    log:
        f"{RESULTS}/logs/baselines/{{model}}/{{dataset}}/via-{{via}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baselines/{{model}}/{{dataset}}/via-{{via}}.tsv"
    wildcard_constraints:
        via=r"\d+|none",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(60),
    params:
        clip=lambda wildcards: EXPERIMENT.clip(wildcards.model).model_dump(mode="json"),
        device=RUN.device,
    message:
        "CLIP {wildcards.model} on {wildcards.dataset}, via {wildcards.via}"
    script:
        "../workflow/scripts/clip.py"
