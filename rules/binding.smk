# Two-object scenes, rendered or from a folder, and the attribute-binding tasks: data sets like any other from `items` on.


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
        scenes=EXPERIMENT.scene_count,
        seed=RUN.attribute_binding.seed if RUN.attribute_binding else 0,
        render_resolution=RUN.attribute_binding.render_resolution if RUN.attribute_binding else 0,
        render_spp=RUN.attribute_binding.render_spp if RUN.attribute_binding else 0,
    message:
        "Render scenes, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../workflow/scripts/render.py"


rule lewis:
    output:
        f"{RESULTS}/data/{LEWIS}/scenes.parquet",
    log:
        f"{RESULTS}/logs/data/{LEWIS}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{LEWIS}.tsv"
    # On the machine where Snakemake runs, as all that reads the user's own files.
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(30),
    params:
        lewis=RUN.attribute_binding.lewis.model_dump() if LEWIS in EXPERIMENT.scene_datasets else {},
        seed=RUN.attribute_binding.seed if RUN.attribute_binding else 0,
    message:
        "Scenes of Lewis et al."
    script:
        "../workflow/scripts/lewis.py"


rule binding_items:
    input:
        lambda wildcards: EXPERIMENT.scene_files(wildcards.dataset),
    output:
        images=f"{RESULTS}/data/{{dataset}}/images.parquet",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
        decisions=f"{RESULTS}/data/{{dataset}}/items.parquet",
    log:
        f"{RESULTS}/logs/binding_items/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/binding_items/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=any_of(EXPERIMENT.scene_datasets),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory(8000),
        runtime=more_minutes(30),
    params:
        per_task=lambda wildcards: EXPERIMENT.examples_per_task(wildcards.dataset),
        seed=RUN.attribute_binding.seed if RUN.attribute_binding else 0,
        unknown=lambda wildcards: EXPERIMENT.unknown_attributes(wildcards.dataset),
    message:
        "Prompts of the binding tasks on {wildcards.dataset}"
    script:
        "../workflow/scripts/binding_items.py"


ruleorder: binding_items > dataset
