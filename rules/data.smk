# Test images, prompts, items and crops of the classification data sets.


rule dataset:
    output:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        selection=f"{RESULTS}/data/{{dataset}}/selection.json",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{dataset}}.tsv"
    # On the machine where Snakemake runs: it may have to download.
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(240),
    params:
        dataset=dataset_block,
        max_images=RUN.max_images,
        subset_seed=RUN.subset_seed,
        stratified=RUN.stratified,
    message:
        "Test images of {wildcards.dataset}"
    script:
        "../workflow/scripts/dataset.py"


rule crops:
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
    output:
        f"{RESULTS}/crops/{{dataset}}/{{size}}.npy",
    log:
        f"{RESULTS}/logs/crops/{{dataset}}/{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/crops/{{dataset}}/{{size}}.tsv"
    wildcard_constraints:
        size=r"\d+",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory(16000),
        runtime=more_minutes(60),
    params:
        downsample_to=lambda wildcards: EXPERIMENT.downsample_to(wildcards.dataset),
    message:
        "Crops of {wildcards.dataset} at {wildcards.size} pixels"
    script:
        "../workflow/scripts/crops.py"
