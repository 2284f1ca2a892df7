# Two-object scenes and the twenty attribute-binding tasks: a data set like any other from `items` on.


rule render:
    output:
        f"{RESULTS}/data/{SCENES}/rendered/{{shard}}-of-{{shards}}.parquet",
    log:
        f"{RESULTS}/logs/render/{{shard}}-of-{{shards}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render/{{shard}}-of-{{shards}}.tsv"
    conda:
        "../envs/scenes.yaml"
    resources:
        mem_mb=more_memory(2000),
        runtime=more_minutes(60),
    params:
        scenes=EXPERIMENT.scenes,
        seed=RUN.binding.seed if RUN.binding else 0,
        resolution=RUN.binding.resolution if RUN.binding else 0,
        samples=RUN.binding.samples if RUN.binding else 0,
    message:
        "Render scenes, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../workflow/scripts/render.py"


rule binding_items:
    input:
        EXPERIMENT.scene_shards() if EXPERIMENT.has_binding else [],
    output:
        images=f"{RESULTS}/data/{SCENES}/images.parquet",
        prompts=f"{RESULTS}/data/{SCENES}/prompts.json",
        decisions=f"{RESULTS}/data/{SCENES}/items.parquet",
    log:
        f"{RESULTS}/logs/binding_items.log",
    benchmark:
        f"{RESULTS}/benchmarks/binding_items.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(30),
    params:
        per_task=RUN.binding.scenes if RUN.binding else 0,
        seed=RUN.binding.seed if RUN.binding else 0,
    message:
        "Prompts of the twenty binding tasks"
    script:
        "../workflow/scripts/binding_items.py"


ruleorder: binding_items > dataset
