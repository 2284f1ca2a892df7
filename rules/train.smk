# Train the mini models from data to weights: `snakemake --cores all train_mini`. The shipped weights are in resources/models.
# The results are outside RESULTS, because they belong to no run.

from dataclasses import asdict

from diffzero.training.recipe import TRAINING_STAGES, SCENE_SEED, SCENE_SHARDS, SCENES_PER_SHARD

MINI = f"{RUN.results}/mini"


rule train_mini:
    input:
        expand(f"{MINI}/{{name}}/training.jsonl", name=["mini-sd", "mini-if", "mini-clip"]),


rule render_training_scenes:
    output:
        f"{MINI}/scenes-{{shard}}.parquet",
    log:
        f"{MINI}/logs/scenes-{{shard}}.log",
    conda:
        "../envs/scenes.yaml"
    resources:
        **needs(mem_mb=2000, runtime=60),
    params:
        first=lambda wildcards: int(wildcards.shard) * SCENES_PER_SHARD,
        scenes=SCENES_PER_SHARD,
        seed=SCENE_SEED,
    message:
        "Render the mini models' training scenes, shard {wildcards.shard}"
    script:
        "../workflow/scripts/render_training_scenes.py"


rule train_model:
    input:
        fashion="resources/data/fashion-train.parquet",
        scenes=expand(f"{MINI}/scenes-{{shard}}.parquet", shard=range(SCENE_SHARDS)),
        vae=lambda wildcards: f"{MINI}/vae/training.jsonl" if wildcards.name == "mini-sd-broad" else [],
        start=lambda wildcards: f"{MINI}/{TRAINING_STAGES[wildcards.name].init_from}/training.jsonl" if TRAINING_STAGES[wildcards.name].init_from else [],
    output:
        f"{MINI}/{{name}}/training.jsonl",
    log:
        f"{MINI}/logs/{{name}}.log",
    wildcard_constraints:
        name="|".join(TRAINING_STAGES),
    conda:
        "../envs/torch.yaml"
    # One thread: the shipped weights were trained with one, and another order of summation changes the last bits.
    threads: 1
    resources:
        **needs(runtime=240),
    params:
        config=lambda wildcards: asdict(TRAINING_STAGES[wildcards.name]),
    message:
        "Train {wildcards.name}"
    script:
        "../workflow/scripts/train_model.py"
