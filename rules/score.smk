# Score shards: the only rule that needs a GPU for long. What it has scored lies in the store, outside its declared outputs.


rule score:
    input:
        # Content-checked by the store's keys: a newer timestamp alone is no reason to score again.
        weights=ancient(f"{RESULTS}/weights/{{model}}.json"),
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
        crops=crops_of,
        x=f"{RESULTS}/inputs/{{model}}/{{dataset}}/x.npy",
        text=f"{RESULTS}/inputs/{{model}}/{{dataset}}/text.safetensors",
    output:
        scores=f"{RESULTS}/scores/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{shard}}-of-{{shards}}.parquet",
        cost=f"{RESULTS}/scores/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{shard}}-of-{{shards}}.json",
    log:
        f"{RESULTS}/logs/scores/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores/{{model}}/{{dataset}}/seed{{seed}}/{{race}}/{{shard}}-of-{{shards}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=denoiser_memory,
        runtime=score_minutes,
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        scoring=lambda wildcards: scoring_of(wildcards).to_params(),
        dtype=model_value("dtype"),
        device=RUN.device,
        batch_size=RUN.batch_size,
        flush_every=RUN.flush_every,
        store=RUN.store,
    message:
        "Score {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, {wildcards.race}, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../workflow/scripts/score.py"
