# Result tables, from predictions and recorded costs alone.


rule table1:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification")),
        costs=lambda wildcards: shards_and_costs([s for s in TARGETS.costed_scorings() if s in EXPERIMENT.main_scorings]),
        prompts=lambda wildcards: expand(f"{RESULTS}/data/{{dataset}}/prompts.json", dataset=TARGETS.datasets("classification")),
        paper="config/paper/table1.csv",
    output:
        csv=report(f"{RESULTS}/tables/table1.csv", caption="../workflow/report/table1.rst", category="Tables", labels={"table": "table1"}),
        rest=table_files("table1"),
    log:
        f"{RESULTS}/logs/tables/table1.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/table1.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("classification"),
        wanted=lambda wildcards: TARGETS.requested("classification"),
        absent=lambda wildcards: TARGETS.missing_notes("classification"),
        seen_by_models=seen_by_models(RUN.datasets),
        sizes=test_sizes(RUN.datasets),
    message:
        "Table 1: accuracy of every model on every data set"
    script:
        "../workflow/scripts/table1.py"


rule paired:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification", "binding", "lewis")),
    output:
        csv=report(f"{RESULTS}/tables/paired.csv", caption="../workflow/report/paired.rst", category="Tables", labels={"table": "paired"}),
        rest=table_files("paired"),
    log:
        f"{RESULTS}/logs/tables/paired.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/paired.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("classification", "binding", "lewis"),
        absent=lambda wildcards: TARGETS.missing_notes("classification", "binding", "lewis"),
        seed=RUN.noise_seeds[0],
    message:
        "Models compared on the same images"
    script:
        "../workflow/scripts/paired.py"


rule spread:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification")),
        paper="config/paper/ablations.csv",
    output:
        csv=report(f"{RESULTS}/tables/spread.csv", caption="../workflow/report/spread.rst", category="Tables", labels={"table": "spread"}),
        rest=table_files("spread"),
    log:
        f"{RESULTS}/logs/tables/spread.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/spread.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("classification"),
        absent=lambda wildcards: TARGETS.missing_notes("classification"),
    message:
        "Appendix C: spread over seeds and subsets"
    script:
        "../workflow/scripts/spread.py"


rule cost:
    input:
        costs=lambda wildcards: shards_and_costs(TARGETS.costed_scorings()),
    output:
        csv=report(f"{RESULTS}/tables/cost.csv", caption="../workflow/report/cost.rst", category="Tables", labels={"table": "cost"}),
        rest=table_files("cost"),
    log:
        f"{RESULTS}/logs/tables/cost.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/cost.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        absent=lambda wildcards: TARGETS.missing_notes("classification", "binding", "lewis", "ablations", full_scoring=True),
    message:
        "What the scores cost"
    script:
        "../workflow/scripts/cost.py"


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
