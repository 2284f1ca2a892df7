# Result tables, from predictions and recorded costs alone.


def diffusion_scorings(binding):
    return [s for s in EXPERIMENT.main if (s.dataset == SCENES) == binding]


def table_sources(binding):
    """What a table is made of: one dictionary a prediction file."""
    rows = [
        {"model": s.model, "dataset": s.dataset, "seed": s.seed, "kind": "diffusion", "file": EXPERIMENT.predictions(s)}
        for s in diffusion_scorings(binding)
    ]
    for dataset in [SCENES] if binding else RUN.datasets:
        for name, file in EXPERIMENT.clip_predictions(dataset).items():
            rows.append({"model": name, "dataset": dataset, "seed": 0, "kind": "baseline", "file": file})
    return rows


def trained_on(names):
    return {name: EXPERIMENT.dataset(name).trained_on for name in names}


rule table1:
    message:
        "Table 1: accuracy of every model on every data set"
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
        mem_mb=4000,
        runtime=10,
    params:
        sources=table_sources(binding=False),
        trained_on=trained_on(RUN.datasets),
    script:
        "../workflow/scripts/table1.py"


rule table3:
    message:
        "Table 3: the twenty attribute-binding tasks"
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
        mem_mb=4000,
        runtime=10,
    params:
        sources=table_sources(binding=True) if EXPERIMENT.has_binding else [],
    script:
        "../workflow/scripts/table3.py"
