# Images that models make for figures: denoised test images (Figure 3) and samples from class prompts (Figure 6).


# One job per model, because loading a model takes longer than making a few images.
for model in dict.fromkeys(entry.model for entry in [*RUN.figure3_denoised, *RUN.figure6_samples]):
    denoised, samples = entries_of(model, RUN.figure3_denoised), entries_of(model, RUN.figure6_samples)

    rule:
        name:
            per_model("generate_images", model)
        input:
            weights=ancient(checkpoint_record(model)),
            sample_prompts=[prepared(entry.dataset)["prompts"] for entry in samples],
            item_table=[prepared(entry.dataset)["item_table"] for entry in denoised],
            prompts=[prepared(entry.dataset)["prompts"] for entry in denoised],
            crops=[result(f"crops/{entry.dataset}/{EXPERIMENT.model(model).resolution}.npy") for entry in denoised],
            x=[encoded(model, entry.dataset)["x"] for entry in denoised],
            text=[encoded(model, entry.dataset)["text"] for entry in denoised],
        output:
            denoised=[result(f"denoised/{model}/{entry.dataset}.safetensors") for entry in denoised],
            samples=[result(f"samples/{model}/{entry.dataset}.safetensors") for entry in samples],
        log:
            log_of(f"images/{model}"),
        conda:
            "../envs/torch.yaml"
        resources:
            **needs_gpu(mem_mb=model_memory(model), runtime=90),
        params:
            denoised=[entry.model_dump() for entry in denoised],
            samples=[entry.model_dump() for entry in samples],
            resolution=EXPERIMENT.model(model).resolution,
            dtype=EXPERIMENT.model(model).dtype,
            seed=RUN.noise_seeds[0],
            weighting=RUN.weighting.model_dump(),
            device=RUN.device,
        message:
            f"Denoise test images and sample from class prompts with {model}"
        script:
            "../workflow/scripts/generate_images.py"
