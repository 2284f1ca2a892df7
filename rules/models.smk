# Checkpoints, and the prompts and images that they encode once per data set.
from diffzero.models.checkpoint import file_stamps


rule retrieve_weights:
    output:
        checkpoint_record(),
    log:
        log_of("weights/{model}"),
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(runtime=240),
    params:
        model=lambda wildcards: EXPERIMENT.model_or_baseline(wildcards.model).model_dump(mode="json"),
        # Not an input: the script reports missing weights, and copied files may keep old timestamps.
        files=lambda wildcards: file_stamps(EXPERIMENT.model_or_baseline(wildcards.model), ROOT),
    message:
        "Find, download and check the weights of {wildcards.model}"
    script:
        "../workflow/scripts/retrieve_weights.py"


rule encode_prompts:
    input:
        weights=checkpoint_record(),
        prompts=result("data/{dataset}/prompts.json"),
    output:
        text=encoded()["text"],
    log:
        log_of("text/{model}/{dataset}"),
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        **needs_gpu(mem_mb=encoder_memory, runtime=encoder_minutes(latents=False)),
    params:
        device=RUN.device,
    message:
        "Encode the prompts of {wildcards.dataset} with {wildcards.model}"
    script:
        "../workflow/scripts/encode.py"


rule encode_images:
    input:
        weights=checkpoint_record(),
        crops=crops_of,
    output:
        x=encoded()["x"],
    log:
        log_of("latents/{model}/{dataset}"),
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        **needs_gpu(runtime=encoder_minutes(text=False)),
    params:
        device=RUN.device,
    message:
        "Encode the images of {wildcards.dataset} with {wildcards.model}"
    script:
        "../workflow/scripts/encode.py"


# Data sets so small that loading the encoders takes longer than using them: one job per model.
if SMALL:

    use rule encode_prompts as encode_small_datasets with:
        input:
            weights=checkpoint_record(),
            prompts=[prepared(name)["prompts"] for name in SMALL],
            crops=lambda wildcards: [result(f"crops/{name}/{EXPERIMENT.model(wildcards.model).resolution}.npy") for name in SMALL],
        output:
            text=[encoded(dataset=name)["text"] for name in SMALL],
            x=[encoded(dataset=name)["x"] for name in SMALL],
        log:
            log_of("encoded/{model}"),
        resources:
            **needs_gpu(mem_mb=encoder_memory, runtime=encoder_minutes(SMALL)),
        message:
            f"Encode the prompts and images of {', '.join(SMALL)} with {{wildcards.model}}"

    ruleorder: encode_small_datasets > encode_prompts > encode_images
