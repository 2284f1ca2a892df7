# Weights, and what is computed from them once per model and data set: text embeddings and latents.


rule weights:
    output:
        f"{RESULTS}/weights/{{model}}.json",
    log:
        f"{RESULTS}/logs/weights/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/weights/{{model}}.tsv"
    # On the machine where Snakemake runs: it may have to download.
    localrule: True
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(240),
    params:
        model=lambda wildcards: EXPERIMENT.model_or_baseline(wildcards.model).model_dump(mode="json"),
        # Not an input: weights that are not there shall be told by the script, and a copy may bring an old time with it.
        files=lambda wildcards: file_stamps(EXPERIMENT.model_or_baseline(wildcards.model), ROOT),
    message:
        "Weights of {wildcards.model}: find, check, digest"
    script:
        "../workflow/scripts/weights.py"


rule text:
    input:
        weights=f"{RESULTS}/weights/{{model}}.json",
        prompts=f"{RESULTS}/data/{{dataset}}/prompts.json",
    output:
        f"{RESULTS}/inputs/{{model}}/{{dataset}}/text.safetensors",
    log:
        f"{RESULTS}/logs/text/{{model}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/text/{{model}}/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=encoder_memory,
        runtime=text_minutes,
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        device=RUN.device,
    message:
        "Text embeddings of {wildcards.dataset} for {wildcards.model}"
    script:
        "../workflow/scripts/text.py"


rule latents:
    input:
        weights=f"{RESULTS}/weights/{{model}}.json",
        crops=crops_of,
    output:
        f"{RESULTS}/inputs/{{model}}/{{dataset}}/x.npy",
    log:
        f"{RESULTS}/logs/latents/{{model}}/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/latents/{{model}}/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: RUN.threads
    resources:
        mem_mb=more_memory(8000),
        runtime=latent_minutes,
        gpu=0 if RUN.device == "cpu" else 1,
    params:
        device=RUN.device,
    message:
        "Latents of {wildcards.dataset} for {wildcards.model}"
    script:
        "../workflow/scripts/latents.py"
