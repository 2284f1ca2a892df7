# Figures of what is stored already: decisions, and replays of unpruned scores.


rule binding_figure:
    input:
        f"{RESULTS}/tables/table3.csv",
    output:
        svg=report(f"{RESULTS}/figures/binding.svg", caption="../workflow/report/binding.rst", category="Attribute binding", labels={"figure": "Table 3"}),
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


rule controlled:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("binding")),
    output:
        csv=report(f"{RESULTS}/tables/controlled.csv", caption="../workflow/report/controlled.rst", category="Tables", labels={"table": "controlled"}),
        rest=table_files("controlled"),
        svg=report(
            f"{RESULTS}/figures/controlled.svg",
            caption="../workflow/report/controlled-figure.rst",
            category="Attribute binding",
            labels={"figure": "seen and held-out"},
        ),
        png=f"{RESULTS}/figures/controlled.png",
    log:
        f"{RESULTS}/logs/figures/controlled.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/controlled.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: PUBLISHED.sources("binding"),
        wanted=lambda wildcards: PUBLISHED.wanted("binding"),
        absent=lambda wildcards: PUBLISHED.absent("binding"),
    message:
        "The controlled comparison of mini models on seen and held-out combinations"
    script:
        "../workflow/scripts/controlled.py"


rule scene_sheet:
    input:
        f"{RESULTS}/data/{SCENES}/images.parquet",
    output:
        svg=report(f"{RESULTS}/figures/scenes.svg", caption="../workflow/report/scenes.rst", category="Attribute binding", labels={"figure": "scenes"}),
        png=f"{RESULTS}/figures/scenes.png",
    log:
        f"{RESULTS}/logs/figures/scenes.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/scenes.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        first=18,
    message:
        "Contact sheet of the scenes"
    script:
        "../workflow/scripts/scenes.py"


rule breakdown:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("binding")),
        decisions=f"{RESULTS}/data/{SCENES}/items.parquet",
        prompts=f"{RESULTS}/data/{SCENES}/prompts.json",
        scenes=f"{RESULTS}/data/{SCENES}/images.parquet",
    output:
        shapes=f"{RESULTS}/figures/breakdown-shapes.csv",
        larger=f"{RESULTS}/figures/breakdown-larger.csv",
        svg=report(f"{RESULTS}/figures/breakdown.svg", caption="../workflow/report/breakdown.rst", category="Attribute binding", labels={"figure": "breakdown"}),
        png=f"{RESULTS}/figures/breakdown.png",
    log:
        f"{RESULTS}/logs/figures/breakdown.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/breakdown.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: PUBLISHED.sources("binding"),
    message:
        "How binding fails"
    script:
        "../workflow/scripts/breakdown.py"


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


rule shapes:
    input:
        predictions=lambda wildcards: files_of(of_dataset(wildcards)),
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        categories=f"{RESULTS}/figures/shapes-{{dataset}}.csv",
        svg=report(
            f"{RESULTS}/figures/shapes-{{dataset}}.svg",
            caption="../workflow/report/shapes.rst",
            category="Decisions",
            labels={"figure": "shape or texture", "dataset": "{dataset}"},
        ),
        png=f"{RESULTS}/figures/shapes-{{dataset}}.png",
    log:
        f"{RESULTS}/logs/figures/shapes-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/shapes-{{dataset}}.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=of_dataset,
    message:
        "Shape accuracy and shape bias by category on {wildcards.dataset}"
    script:
        "../workflow/scripts/shapes.py"


rule calls:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("classification", "binding")),
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
        sources=lambda wildcards: PUBLISHED.sources("classification", "binding"),
    message:
        "Calls per item"
    script:
        "../workflow/scripts/calls.py"


rule paired_figure:
    input:
        f"{RESULTS}/tables/paired.csv",
    output:
        svg=report(
            f"{RESULTS}/figures/paired.svg", caption="../workflow/report/paired-figure.rst", category="Decisions", labels={"figure": "paired comparison"}
        ),
        png=f"{RESULTS}/figures/paired.png",
    log:
        f"{RESULTS}/logs/figures/paired.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/paired.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "The paired comparison as a picture"
    script:
        "../workflow/scripts/paired_figure.py"


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
