# Scores, and the predictions replayed from them. Only `score` needs a GPU for long. Its scores are also kept in the store.


rule score:
    input:
        **prepared(),
        **encoded(),
        # The keys of the store depend on its content: a newer timestamp alone is no reason to score again.
        weights=ancient(checkpoint_record()),
        crops=crops_of,
    output:
        scores=result("scores/{model}/{dataset}/seed{seed}/{race}/{shard}-of-{shards}.parquet"),
        cost=result("scores/{model}/{dataset}/seed{seed}/{race}/{shard}-of-{shards}.json"),
    log:
        log_of("scores/{model}/{dataset}/seed{seed}/{race}/{shard}-of-{shards}"),
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        **needs_gpu(mem_mb=denoiser_memory, runtime=score_minutes),
    params:
        scoring=lambda wildcards: scoring_of(wildcards).to_params(),
        dtype=lambda wildcards: EXPERIMENT.model(wildcards.model).dtype,
        device=RUN.device,
        batch_size=RUN.batch_size,
        flush_every=RUN.flush_every,
        store=RUN.store,
    message:
        "Score {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, {wildcards.race}, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../workflow/scripts/score.py"


rule replay_scores:
    input:
        weights=ancient(checkpoint_record()),
        item_table=result("data/{dataset}/items.parquet"),
        scores=lambda wildcards: EXPERIMENT.score_files(scoring_of(wildcards)),
    output:
        result("predictions/{model}/{dataset}/seed{seed}/{race}/{weighting}.parquet"),
    log:
        log_of("predictions/{model}/{dataset}/seed{seed}/{race}/{weighting}"),
    conda:
        "../envs/analysis.yaml"
    resources:
        **needs(mem_mb=8000, runtime=30),
    params:
        scoring=lambda wildcards: scoring_of(wildcards).to_params(),
        weighting=RUN.weighting.model_dump(),
    message:
        "Replay {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, {wildcards.race}, {wildcards.weighting}"
    script:
        "../workflow/scripts/replay_scores.py"
