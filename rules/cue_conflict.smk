# Shape against texture: Table 2, the categories, and the decisions in the form that model-vs-human reads.


rule table2:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("classification")),
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
        sources=lambda wildcards: TARGETS.sources("classification"),
        wanted=lambda wildcards: TARGETS.requested("classification"),
        absent=lambda wildcards: TARGETS.missing_notes("classification"),
        cues=TARGETS.cue_conflict_datasets(),
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
    # A file for every model and seed, each of a few seconds: as cluster jobs they would mostly start.
    localrule: True
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
