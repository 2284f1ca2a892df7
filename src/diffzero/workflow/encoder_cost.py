"""What is computed before scoring, once per model and data set, and what it costs: latents, text embeddings, baselines."""

from diffzero.workflow import resources
from diffzero.workflow.experiment import SCENES, Experiment

BASELINE_GFLOPS = 160.0  # of an image: CLIP ViT-L/14 at 224 pixels, the largest that is configured

SCENE_PROMPTS = 400  # different sentences about thousands of scenes: 377 in the paper's run


def images_of(experiment: Experiment, dataset: str) -> int:
    """Upper bound of a data set's images, known before any data is there."""
    if dataset in experiment.scene_sets:
        return experiment.scenes if dataset == SCENES else experiment.run.binding.lewis.images
    return experiment.run.images


def latents(experiment: Experiment, model: str, dataset: str) -> float:
    """GFLOPs of one data set's x."""
    return resources.latent_gflops(experiment.model(model), images_of(experiment, dataset))


def text(experiment: Experiment, model: str, dataset: str) -> float:
    """GFLOPs of one data set's text embeddings."""
    prompts = SCENE_PROMPTS if dataset in experiment.scene_sets else experiment.classes(dataset)
    return resources.text_gflops(experiment.model(model), prompts)


def gflops(experiment: Experiment) -> dict[str, float]:
    """Of the whole run, by what is computed."""
    pairs = {(scoring.model, scoring.dataset) for scoring in experiment.scorings.values()}
    datasets = {dataset for _, dataset in pairs}
    asked = [images_of(experiment, dataset) for dataset in datasets for _ in experiment.clip_predictions(dataset)]
    return {
        "latents": sum(latents(experiment, *pair) for pair in pairs),
        "text": sum(text(experiment, *pair) for pair in pairs),
        "baselines": BASELINE_GFLOPS * sum(asked),
    }


def hours(experiment: Experiment, device: str, tflops: float) -> dict[str, float]:
    """GPU-hours of the whole run on a device with this peak, by what is computed."""
    speed = 1000 * resources.encoder_tflops(device, tflops)
    return {name: count / speed / 3600 for name, count in gflops(experiment).items()}
