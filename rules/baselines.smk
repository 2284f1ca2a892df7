# Baselines on the same images, in each of their input settings: CLIP with the same prompts, supervised networks without.


rule clip:
    input:
        weights=f"{RESULTS}/weights/{{model}}.json",
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
        model=any_of(EXPERIMENT.baselines_of_kind("clip")),
        via=r"\d+|none",
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(60),
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        clip=lambda wildcards: EXPERIMENT.baseline(wildcards.model).model_dump(mode="json"),
        device=RUN.device,
    message:
        "CLIP {wildcards.model} on {wildcards.dataset}, via {wildcards.via}"
    script:
        "../workflow/scripts/clip.py"


rule supervised:
    input:
        weights=f"{RESULTS}/weights/{{model}}.json",
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
        model=any_of(EXPERIMENT.baselines_of_kind("supervised")),
        via=r"\d+|none",
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(60),
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        classes=lambda wildcards: EXPERIMENT.baseline(wildcards.model).classes[wildcards.dataset],
        device=RUN.device,
    message:
        "Supervised {wildcards.model} on {wildcards.dataset}, via {wildcards.via}"
    script:
        "../workflow/scripts/supervised.py"
