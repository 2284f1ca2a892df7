# Result tables, from predictions and recorded costs alone.


rule table1:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("classification")),
        costs=lambda wildcards: shards_and_costs([s for s in PUBLISHED.scorings() if s in EXPERIMENT.main]),
        prompts=lambda wildcards: expand(f"{RESULTS}/data/{{dataset}}/prompts.json", dataset=PUBLISHED.datasets()),
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
        sources=lambda wildcards: PUBLISHED.sources("classification"),
        wanted=lambda wildcards: PUBLISHED.wanted("classification"),
        absent=lambda wildcards: PUBLISHED.absent("classification"),
        trained_on=trained_on(RUN.datasets),
    message:
        "Table 1: accuracy of every model on every data set"
    script:
        "../workflow/scripts/table1.py"


rule table2:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("classification")),
        paper="config/paper/table2.csv",
    output:
        csv=report(f"{RESULTS}/tables/table2.csv", caption="../workflow/report/table2.rst", category="Tables", labels={"table": "table2"}),
        rest=table_files("table2"),
    log:
        f"{RESULTS}/logs/tables/table2.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/table2.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: PUBLISHED.sources("classification"),
        wanted=lambda wildcards: PUBLISHED.wanted("classification"),
        absent=lambda wildcards: PUBLISHED.absent("classification"),
        cues=PUBLISHED.cue_datasets(),
    message:
        "Table 2: shape accuracy and shape bias"
    script:
        "../workflow/scripts/table2.py"


rule model_vs_human:
    input:
        predictions=lambda wildcards: files_of(subject(wildcards)),
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        f"{RESULTS}/tables/model-vs-human/{{dataset}}/cue-conflict_{{subject}}_session_{{session}}.csv",
    log:
        f"{RESULTS}/logs/tables/model-vs-human/{{dataset}}/cue-conflict_{{subject}}_session_{{session}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/model-vs-human/{{dataset}}/cue-conflict_{{subject}}_session_{{session}}.tsv"
    wildcard_constraints:
        subject=r"[A-Za-z0-9.@_-]+",
        session=r"\d+",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(2000),
        runtime=more_minutes(10),
    params:
        sources=subject,
    message:
        "Decisions of {wildcards.subject} on {wildcards.dataset} for model-vs-human"
    script:
        "../workflow/scripts/model_vs_human.py"


rule table3:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("binding")),
        paper="config/paper/table3.csv",
    output:
        csv=report(f"{RESULTS}/tables/table3.csv", caption="../workflow/report/table3.rst", category="Tables", labels={"table": "table3"}),
        rest=table_files("table3"),
    log:
        f"{RESULTS}/logs/tables/table3.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/table3.tsv"
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
        "Table 3: the twenty attribute-binding tasks"
    script:
        "../workflow/scripts/table3.py"


rule paired:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("classification", "binding")),
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
        sources=lambda wildcards: PUBLISHED.sources("classification", "binding"),
        absent=lambda wildcards: PUBLISHED.absent("classification", "binding"),
    message:
        "Models compared on the same images"
    script:
        "../workflow/scripts/paired.py"


rule spread:
    input:
        predictions=lambda wildcards: files_of(PUBLISHED.sources("classification")),
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
        sources=lambda wildcards: PUBLISHED.sources("classification"),
        absent=lambda wildcards: PUBLISHED.absent("classification"),
    message:
        "Appendix C: spread over seeds and subsets"
    script:
        "../workflow/scripts/spread.py"


rule cost:
    input:
        costs=lambda wildcards: shards_and_costs(PUBLISHED.scorings()),
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
        absent=lambda wildcards: PUBLISHED.absent("classification", "binding", "variants", unpruned=True),
    message:
        "What the scores cost"
    script:
        "../workflow/scripts/cost.py"
