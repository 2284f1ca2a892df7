# Test images, prompts, items and crops of the classification data sets.


def dataset_block(wildcards):
    return EXPERIMENT.dataset(wildcards.dataset).model_dump(mode="json")


rule dataset:
    message:
        "Test images of {wildcards.dataset}"
    output:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{dataset}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        dataset=dataset_block,
        images=RUN.images,
        seed=RUN.selection_seed,
    script:
        "../workflow/scripts/dataset.py"


rule crops:
    message:
        "Crops of {wildcards.dataset} at {wildcards.size} pixels"
    input:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
    output:
        f"{RESULTS}/crops/{{dataset}}/{{size}}.npy",
    wildcard_constraints:
        size=r"\d+",
    log:
        f"{RESULTS}/logs/crops/{{dataset}}/{{size}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/crops/{{dataset}}/{{size}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=16000,
        runtime=60,
    script:
        "../workflow/scripts/crops.py"
