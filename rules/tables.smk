# Result tables, from predictions and recorded costs alone.


rule table1:
    input:
        predictions=[row["file"] for row in table_sources(binding=False)],
        costs=[f"{file.removesuffix('.parquet')}.json" for s in diffusion_scorings(False) for file in EXPERIMENT.shards(s)],
        prompts=expand(f"{RESULTS}/data/{{dataset}}/prompts.json", dataset=RUN.datasets),
        paper="config/paper/table1.csv",
    output:
        csv=f"{RESULTS}/tables/table1.csv",
        markdown=f"{RESULTS}/tables/table1.md",
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
        sources=table_sources(binding=False),
        trained_on=trained_on(RUN.datasets),
    message:
        "Table 1: accuracy of every model on every data set"
    script:
        "../workflow/scripts/table1.py"


rule table3:
    input:
        predictions=[row["file"] for row in table_sources(binding=True)] if EXPERIMENT.has_binding else [],
        paper="config/paper/table3.csv",
    output:
        csv=f"{RESULTS}/tables/table3.csv",
        markdown=f"{RESULTS}/tables/table3.md",
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
        sources=table_sources(binding=True) if EXPERIMENT.has_binding else [],
    message:
        "Table 3: the twenty attribute-binding tasks"
    script:
        "../workflow/scripts/table3.py"
