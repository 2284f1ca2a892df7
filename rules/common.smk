# What rules ask about wildcards; the answers come from diffzero.experiment.


def dataset_block(wildcards):
    return EXPERIMENT.dataset(wildcards.dataset).model_dump(mode="json")


def model_value(key):
    return lambda wildcards: getattr(EXPERIMENT.model(wildcards.model), key)


def crops_of(wildcards):
    return f"{RESULTS}/crops/{wildcards.dataset}/{EXPERIMENT.model(wildcards.model).size}.npy"


def scoring_of(wildcards):
    return EXPERIMENT.scorings[wildcards.model, wildcards.dataset, wildcards.race]


def diffusion_scorings(binding):
    return [s for s in EXPERIMENT.main if (s.dataset == SCENES) == binding]


def table_sources(binding):
    """What a table is made of: one dictionary a prediction file."""
    rows = [
        {"model": s.model, "dataset": s.dataset, "seed": s.seed, "kind": "diffusion", "file": EXPERIMENT.predictions(s)} for s in diffusion_scorings(binding)
    ]
    for dataset in [SCENES] if binding else RUN.datasets:
        for name, file in EXPERIMENT.clip_predictions(dataset).items():
            rows.append({"model": name, "dataset": dataset, "seed": 0, "kind": "baseline", "file": file})
    return rows


def trained_on(names):
    return {name: EXPERIMENT.dataset(name).trained_on for name in names}


def efficiency_scores(wildcards, unshared):
    return EXPERIMENT.shards(EXPERIMENT.efficiency(wildcards.model, wildcards.dataset)[unshared])


def denoised_entry(wildcards):
    return next(e for e in RUN.denoised if (e.model, e.dataset) == (wildcards.model, wildcards.dataset)).model_dump()
