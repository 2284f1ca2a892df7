# Test images, prompts, items and crops: of classification data sets, and of two-object scenes with their attribute-binding tasks.
BINDING_SEED = RUN.attribute_binding.seed if RUN.attribute_binding else 0
SMALL = job_resources.small_datasets(EXPERIMENT)
RESOLUTIONS = sorted({EXPERIMENT.model(model).resolution for model, *_ in EXPERIMENT.scorings})


# These download, or read the user's own files, so they run on the machine where Snakemake runs.
localrules:
    prepare_dataset,
    read_lewis_scenes,
    retrieve_weights,


rule prepare_dataset:
    input:
        state=source_state,
    output:
        **prepared(),
        selection=result("data/{dataset}/selection.json"),
    log:
        log_of("data/{dataset}"),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mem_mb=8000, runtime=240),
    params:
        dataset=lambda wildcards: EXPERIMENT.dataset(wildcards.dataset).model_dump(mode="json"),
        max_images=RUN.max_images,
        subset_seed=RUN.subset_seed,
        stratified=RUN.stratified,
    message:
        "Prepare the test images of {wildcards.dataset}"
    script:
        "../workflow/scripts/prepare_dataset.py"


rule render_scenes:
    output:
        result(f"data/{SCENES}/rendered/{{shard}}-of-{{shards}}.parquet"),
    log:
        log_of("render/{shard}-of-{shards}"),
    conda:
        "../envs/scenes.yaml"
    resources:
        **needs(mem_mb=2000, runtime=60),
    params:
        scenes=EXPERIMENT.scene_count,
        seed=BINDING_SEED,
        resolution=RUN.attribute_binding.render_resolution if RUN.attribute_binding else 0,
        spp=RUN.attribute_binding.render_spp if RUN.attribute_binding else 0,
    message:
        "Render scenes, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../workflow/scripts/render_scenes.py"


rule read_lewis_scenes:
    input:
        state=source_state,
    output:
        result(f"data/{LEWIS}/scenes.parquet"),
    log:
        log_of(f"data/{LEWIS}"),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mem_mb=8000, runtime=30),
    params:
        lewis=RUN.attribute_binding.lewis.model_dump() if LEWIS in EXPERIMENT.scene_datasets else {},
        seed=BINDING_SEED,
    message:
        "Read the scenes of Lewis et al."
    script:
        "../workflow/scripts/read_lewis_scenes.py"


rule prepare_scenes:
    input:
        lambda wildcards: EXPERIMENT.scene_files(wildcards.dataset),
    output:
        **prepared(),
    log:
        log_of("binding_items/{dataset}"),
    wildcard_constraints:
        dataset=any_of(EXPERIMENT.scene_datasets),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mem_mb=8000, runtime=30),
    params:
        per_task=lambda wildcards: EXPERIMENT.examples_per_task(wildcards.dataset),
        seed=BINDING_SEED,
        unknown=lambda wildcards: EXPERIMENT.unknown_attributes(wildcards.dataset),
    message:
        "Prepare the images, prompts and items of the attribute-binding tasks on {wildcards.dataset}"
    script:
        "../workflow/scripts/prepare_scenes.py"


ruleorder: prepare_scenes > prepare_dataset


# One job per resolution: with a new model, the crops of the others keep their timestamps, and their latents are not encoded again.
rule crop_images:
    input:
        images=result("data/{dataset}/images.parquet"),
    output:
        result("crops/{dataset}/{resolution}.npy"),
    log:
        log_of("crops/{dataset}/{resolution}"),
    wildcard_constraints:
        resolution=r"\d+",
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mem_mb=16000, runtime=60),
    params:
        resolutions=lambda wildcards: [int(wildcards.resolution)],
        downsample_to=lambda wildcards: EXPERIMENT.downsample_to(wildcards.dataset),
    message:
        "Crop the images of {wildcards.dataset} to {params.resolutions} pixels"
    script:
        "../workflow/scripts/crop_images.py"


use rule crop_images as crop_small_dataset with:
    output:
        expand(result("crops/{{dataset}}/{resolution}.npy"), resolution=RESOLUTIONS),
    log:
        log_of("crops/{dataset}"),
    wildcard_constraints:
        dataset=any_of(SMALL),
    params:
        resolutions=RESOLUTIONS,
        downsample_to=lambda wildcards: EXPERIMENT.downsample_to(wildcards.dataset),


ruleorder: crop_small_dataset > crop_images
