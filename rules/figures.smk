# Figures 2 and 3 of the paper, and Table 3 as a picture.


rule efficiency:
    input:
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        shared=lambda wildcards: efficiency_scores(wildcards, False),
        unshared=lambda wildcards: efficiency_scores(wildcards, True),
    output:
        curves=f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.csv",
        svg=f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.svg",
        png=f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/efficiency-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/efficiency-{{model}}-{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(30),
    params:
        policy=RUN.policy.model_dump(),
        weighting=RUN.weighting.model_dump(),
    message:
        "Figure 2: accuracy against calls per class, {wildcards.model} on {wildcards.dataset}"
    script:
        "../workflow/scripts/efficiency.py"


rule denoise:
    input:
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
        crops=crops_of,
        x=f"{RESULTS}/inputs/{{model}}/{{dataset}}/x.npy",
        text=f"{RESULTS}/inputs/{{model}}/{{dataset}}/text.safetensors",
    output:
        f"{RESULTS}/denoised/{{model}}/{{dataset}}.safetensors",
    log:
        f"{RESULTS}/logs/denoised/{{model}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/denoised/{{model}}/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=denoiser_memory,
        runtime=more_minutes(30),
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        entry=denoised_entry,
        seed=RUN.seeds[0],
        weighting=RUN.weighting.model_dump(),
        dtype=model_value("dtype"),
        device=RUN.device,
    message:
        "Denoise images of {wildcards.dataset} under right and wrong prompts with {wildcards.model}"
    script:
        "../workflow/scripts/denoise.py"


rule denoised:
    input:
        f"{RESULTS}/denoised/{{model}}/{{dataset}}.safetensors",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        svg=f"{RESULTS}/figures/denoised-{{model}}-{{dataset}}.svg",
        png=f"{RESULTS}/figures/denoised-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/denoised-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/denoised-{{model}}-{{dataset}}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "Figure 3: denoised images of {wildcards.dataset}, {wildcards.model}"
    script:
        "../workflow/scripts/denoised.py"


rule binding_figure:
    input:
        f"{RESULTS}/tables/table3.csv",
    output:
        svg=f"{RESULTS}/figures/binding.svg",
        png=f"{RESULTS}/figures/binding.png",
    log:
        f"{RESULTS}/logs/figures/binding.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/binding.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "Table 3 as a picture"
    script:
        "../workflow/scripts/binding_figure.py"
