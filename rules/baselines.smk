# Baselines on the same images, in each of their input settings: CLIP with the same prompts, supervised networks without prompts.


# One job per baseline, because loading a network takes longer than classifying a small data set.
for model, files in baseline_files().items():

    rule:
        name:
            per_model("run_baseline", model)
        input:
            weights=checkpoint_record(model),
            images=[prepared(Path(file).parts[-2])["images"] for file in files],
            item_table=[prepared(Path(file).parts[-2])["item_table"] for file in files],
            prompts=[prepared(Path(file).parts[-2])["prompts"] for file in files],
        output:
            files,
        log:
            log_of(f"baselines/{model}"),
        conda:
            "../envs/torch.yaml"
        threads: RUN.threads
        resources:
            **needs_gpu(),
        params:
            baseline=EXPERIMENT.baseline(model).model_dump(mode="json"),
            device=RUN.device,
        message:
            f"Classify the images of every data set with {model}"
        script:
            "../workflow/scripts/run_baseline.py"
