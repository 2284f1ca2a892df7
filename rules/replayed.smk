# Figures of decisions, and replays of unpruned scores.


rule confusion:
    input:
        predictions=lambda wildcards: files_of(first_seed(wildcards)),
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        svg=report(
            f"{RESULTS}/figures/confusion-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/confusion.rst",
            category="Decisions",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/confusion-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/confusion-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/confusion-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    # One for every model and data set, each of a few seconds: as cluster jobs they would mostly start.
    localrule: True
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=first_seed,
    message:
        "Confusion matrix of {wildcards.model} on {wildcards.dataset}"
    script:
        "../workflow/scripts/confusion.py"


rule calls:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification", "binding", "lewis")),
    output:
        svg=report(f"{RESULTS}/figures/calls.svg", caption="../workflow/report/calls.rst", category="Decisions", labels={"figure": "calls per item"}),
        png=f"{RESULTS}/figures/calls.png",
    log:
        f"{RESULTS}/logs/figures/calls.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/calls.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("classification", "binding", "lewis"),
    message:
        "Calls per item"
    script:
        "../workflow/scripts/calls.py"


rule reliability:
    input:
        table=f"{RESULTS}/tables/calibration.csv",
        bins=f"{RESULTS}/replayed/reliability.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/reliability-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/reliability.rst",
            category="Figure 5: calibration",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/reliability-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/reliability-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/reliability-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "Figure 5: calibration of {wildcards.model} on {wildcards.dataset}"
    script:
        "../workflow/scripts/reliability.py"


rule timesteps:
    input:
        lambda wildcards: unpruned_inputs(unpruned_of(wildcards)),
    output:
        csv=f"{RESULTS}/figures/timesteps-{{model}}-{{dataset}}.csv",
        svg=report(
            f"{RESULTS}/figures/timesteps-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/timesteps.rst",
            category="Replayed",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/timesteps-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/timesteps-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/timesteps-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(16000),
        runtime=more_minutes(30),
    params:
        sources=lambda wildcards: unpruned_sources(unpruned_of(wildcards)),
        weighting=RUN.weighting.model_dump(),
    message:
        "Where in t {wildcards.model} decides on {wildcards.dataset}"
    script:
        "../workflow/scripts/timesteps.py"


rule sweeps:
    input:
        lambda wildcards: unpruned_inputs(unpruned_of(wildcards)),
    output:
        frontier=f"{RESULTS}/figures/frontier-{{model}}-{{dataset}}.csv",
        frontier_svg=report(
            f"{RESULTS}/figures/frontier-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/frontier.rst",
            category="Replayed",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        frontier_png=f"{RESULTS}/figures/frontier-{{model}}-{{dataset}}.png",
        sensitivity=f"{RESULTS}/figures/sensitivity-{{model}}-{{dataset}}.csv",
        sensitivity_svg=report(
            f"{RESULTS}/figures/sensitivity-{{model}}-{{dataset}}.svg",
            caption="../workflow/report/sensitivity.rst",
            category="Replayed",
            labels={"model": "{model}", "dataset": "{dataset}"},
        ),
        sensitivity_png=f"{RESULTS}/figures/sensitivity-{{model}}-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/sweeps-{{model}}-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/sweeps-{{model}}-{{dataset}}.tsv"
    wildcard_constraints:
        model=FIGURE_MODELS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(16000),
        runtime=more_minutes(240),
    params:
        sources=lambda wildcards: unpruned_sources(unpruned_of(wildcards)),
        policy=RUN.policy.model_dump(),
        weighting=RUN.weighting.model_dump(),
    message:
        "Other policies replayed: {wildcards.model} on {wildcards.dataset}"
    script:
        "../workflow/scripts/sweeps.py"
