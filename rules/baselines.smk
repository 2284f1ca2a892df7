# CLIP on the same images and prompts, in each of its input settings.


rule clip:
    message:
        "CLIP {wildcards.model} on {wildcards.dataset}, via {wildcards.via}"
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        f"{RESULTS}/baselines/{{model}}/{{dataset}}/via-{{via}}.parquet",
    wildcard_constraints:
        via=r"\d+|none",
    log:
        f"{RESULTS}/logs/baselines/{{model}}/{{dataset}}/via-{{via}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baselines/{{model}}/{{dataset}}/via-{{via}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        clip=lambda wildcards: EXPERIMENT.clip(wildcards.model).model_dump(mode="json"),
        device=RUN.device,
    script:
        "../workflow/scripts/clip.py"
