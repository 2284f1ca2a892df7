# The mini models, from data to weights: `snakemake --cores all train_mini`. They ship in resources/models; this makes them anew.
# Outside RESULTS: they belong to no run.

MINI = f"{RUN.results}/mini"
SCENE_SHARDS, SCENES_A_SHARD, SCENE_SEED = 4, 3000, 1
# Steps, the learning rate's horizon, batch
MINI_LENGTH = {
    "vae": (900, 900, 32),
    "mini-sd": (16000, 16000, 32),
    "mini-if": (10000, 10000, 32),
    "mini-clip": (2000, 2000, 96),
}


rule train_mini:
    input:
        expand(f"{MINI}/{{name}}/training.jsonl", name=["mini-sd", "mini-if", "mini-clip"]),


rule mini_scenes:
    output:
        f"{MINI}/scenes-{{shard}}.parquet",
    log:
        f"{MINI}/logs/scenes-{{shard}}.log",
    benchmark:
        f"{MINI}/benchmarks/scenes-{{shard}}.tsv"
    conda:
        "../envs/scenes.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        first=lambda wildcards: int(wildcards.shard) * SCENES_A_SHARD,
        scenes=SCENES_A_SHARD,
        seed=SCENE_SEED,
    message:
        "Render the mini models' training scenes, shard {wildcards.shard}"
    script:
        "../workflow/scripts/mini_scenes.py"


rule mini_train:
    input:
        fashion="resources/data/fashion-train.parquet",
        scenes=expand(f"{MINI}/scenes-{{shard}}.parquet", shard=range(SCENE_SHARDS)),
        vae=lambda wildcards: f"{MINI}/vae/training.jsonl" if wildcards.name == "mini-sd" else [],
    output:
        f"{MINI}/{{name}}/training.jsonl",
    log:
        f"{MINI}/logs/{{name}}.log",
    benchmark:
        f"{MINI}/benchmarks/{{name}}.tsv"
    wildcard_constraints:
        name="|".join(MINI_LENGTH),
    conda:
        "../envs/torch.yaml"
    # One thread: the shipped weights were trained with one, and sums in another order give other last bits.
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        length=lambda wildcards: dict(zip(("steps", "horizon", "batch"), MINI_LENGTH[wildcards.name]), seed=0),
    message:
        "Train {wildcards.name}"
    script:
        "../workflow/scripts/mini_train.py"
