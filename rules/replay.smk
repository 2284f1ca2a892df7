# From scores to predictions: the pruning, replayed offline under the run's weighting.


rule predictions:
    input:
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        scores=lambda wildcards: EXPERIMENT.score_files(scoring_of(wildcards)),
    output:
        f"{RESULTS}/predictions/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{weighting}}.parquet",
    log:
        f"{RESULTS}/logs/predictions/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{weighting}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predictions/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{weighting}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(30),
    params:
        scoring=lambda wildcards: scoring_of(wildcards).to_params(),
        weighting=RUN.weighting.model_dump(),
    message:
        "Replay {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, {wildcards.race}, {wildcards.weighting}"
    script:
        "../workflow/scripts/predictions.py"
