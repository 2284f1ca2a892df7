# Figures that need scores or pictures made for them: efficiency (2), denoised images (3), samples (6).


rule efficiency:
    input:
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        shared=lambda wildcards: efficiency_scores(wildcards, False),
        unshared=lambda wildcards: efficiency_scores(wildcards, True),
    output:
        curves=f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.csv",
        svg=report(
            f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/efficiency.rst",
            category="Figure 2: efficiency",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/efficiency-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/efficiency-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/efficiency-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
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
        entry=entry_of("figure3_denoised"),
        seed=RUN.noise_seeds[0],
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
        svg=report(
            f"{RESULTS}/figures/denoised-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/denoised.rst",
            category="Figure 3: denoised images",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/denoised-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/denoised-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/denoised-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "Figure 3: denoised images of {wildcards.dataset}, {wildcards.model}"
    script:
        "../workflow/scripts/denoised.py"


rule samples:
    input:
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        f"{RESULTS}/samples/{{model}}/{{dataset}}.safetensors",
    log:
        f"{RESULTS}/logs/samples/{{model}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/samples/{{model}}/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=denoiser_memory,
        runtime=more_minutes(60),
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        entry=entry_of("figure6_samples"),
        seed=RUN.noise_seeds[0],
        resolution=model_value("resolution"),
        dtype=model_value("dtype"),
        device=RUN.device,
    message:
        "Pictures that {wildcards.model} makes from the prompts of {wildcards.dataset}"
    script:
        "../workflow/scripts/samples.py"


rule samples_figure:
    input:
        f"{RESULTS}/samples/{{model}}/{{dataset}}.safetensors",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        svg=report(
            f"{RESULTS}/figures/samples-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/samples.rst",
            category="Figure 6: samples",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/samples-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/samples-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/samples-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        entry=entry_of("figure6_samples"),
        seed=RUN.noise_seeds[0],
    message:
        "Figure 6: samples from the prompts of {wildcards.dataset}, {wildcards.model}"
    script:
        "../workflow/scripts/samples_figure.py"
