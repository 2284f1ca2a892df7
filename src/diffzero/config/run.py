"""What a run's configuration may hold (config/config.yaml, config/demo.yaml)."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffzero.diffusion.weighting import AnyWeighting, Heuristic
from diffzero.pruning.policies import AnyPolicy, TTest
from diffzero.utils.fields import DEVICE, RUN_NAME, Count, Seed, Text
from diffzero.utils.frozen_model import FrozenModel

# Learned weights and calibration fit one half of the unpruned images and judge the other.
Halves = Annotated[int, Field(ge=2)]


class Lewis(FrozenModel):
    """The two-object images of Lewis et al. (2022), asked about where their labels allow it: five of the twenty tasks."""

    renamed_keys = {"images": "max_images"}

    path: Text
    """Folder that holds their `two_object`, relative to the root of the repository. To be downloaded first (docs/binding.md)."""
    split: Literal["train", "val", "gen"] = "gen"
    """Split of theirs; `gen` is the one by which they measure generalisation. No mini model was trained on any."""
    max_images: Count = 1000
    """Images, of which each task takes all that it can; all of them where there are fewer."""


class AttributeBinding(FrozenModel):
    """The attribute-binding tasks on two-object scenes (the paper's Table 3)."""

    renamed_keys = {
        "scenes": "examples_per_task",
        "resolution": "render_resolution",
        "samples": "render_spp",
        "shard_scenes": "scenes_per_job",
    }

    examples_per_task: Count | None = None
    """Examples of each task, each about a rendered scene of its own (the paper has 1000). Tasks with Size use scenes whose objects differ
    in size, about half, so somewhat more than twice as many are rendered. Left out: `lewis` alone is asked about. To leave the tasks
    out, leave out `attribute_binding`."""
    render_resolution: Count = 512
    """Pixels a side of a rendered scene. At least the `resolution` of the largest model."""
    render_spp: Count = 64
    """Rendered paths a pixel. More give less noise and take proportionally longer."""
    scenes_per_job: Count = 100
    """Scenes a cluster job."""
    seed: Seed = 0
    """Seed of the scenes and of the choices in the prompts."""
    models: list[str] | None = None
    """Diffusion models to test; left out: those of the run."""
    baselines: list[str] | None = None
    """Baselines to test; left out: those of the run. Supervised ones know no sentences and are passed over."""
    policy: AnyPolicy = TTest()
    """The policy of these two-class races, which need fewer draws than large class sets."""
    lewis: Lewis | None = None
    """Lewis et al.'s images as a second set of scenes, beside the rendered ones or without them; left out: none."""

    @model_validator(mode="after")
    def _asks_about_something(self) -> "AttributeBinding":
        if self.examples_per_task is None and self.lewis is None:
            raise ValueError(
                "found neither `examples_per_task` nor `lewis`, expected one, e.g. examples_per_task: 1000. "
                "To run without these tasks, remove `attribute_binding`."
            )
        return self


class Figure2Efficiency(FrozenModel):
    """One curve set of the efficiency figure (Figure 2): unshared noise, shared noise, shared noise with pruning."""

    renamed_keys = {"images": "n_images"}

    model: str
    """A model of the run."""
    dataset: str
    """A data set of the run."""
    n_images: Halves
    """Images scored without pruning, at least 2. Calls grow with images x classes x draws, twice."""
    draws: Count
    """Draws of every class: where the curves end."""


class Figure3Denoised(FrozenModel):
    """One row set of the figure of denoised images (Figure 3): what the model sees under right and wrong prompts."""

    renamed_keys = {"images": "n_images"}

    model: str
    """A model of the run."""
    dataset: str
    """A data set of the run."""
    n_images: Count
    """Images shown."""
    t: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Noise level; nearer 1, the prompt decides more of what appears."""


class CostEstimate(FrozenModel):
    """What `snakemake plan` reckons with. No result depends on it."""

    renamed_keys = {"efficiency": "utilization"}

    gpus: Count = 8
    """GPUs that the cluster gives the run at a time."""
    device: Text = "A100"
    """The device, as part of the name that it gives itself. Speeds measured on it count before its data sheet; without a measurement,
    one of `V100`, `A100`, `L40S`, `H100`, `H200`, `RTX 4090`, `cpu`."""
    utilization: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the data sheet's peak that a network reaches, where no speed has been measured."""
    start_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Seconds from a job's start to its first call: imports, weights from a shared disk."""


class FullScoring(FrozenModel):
    """Scores of every class for every draw: what weightings, policies, calibration and learned weights are replayed from."""

    renamed_keys = {"images": "n_images"}

    model: str
    """A model of the run."""
    dataset: str
    """A data set of the run."""
    n_images: Halves
    """Images scored without pruning, at least 2. Calls grow with images x classes x draws."""
    draws: Count
    """Draws of every class. The paper's learned weighting has about 100 in each of 20 buckets of t: 2000."""


class Ablation(FrozenModel):
    """The same images asked about in another way: reduced first (Section 4.1), or under another template."""

    renamed_keys = {"reduced": "downsample_to", "template": "prompt_template"}

    model: str
    """A model of the run."""
    dataset: str
    """A data set of the run."""
    downsample_to: Count | None = None
    """Pixels a side to which each image is reduced before it is resized to the model's size."""
    prompt_template: Annotated[int, Field(ge=0)] | None = None
    """Number of the template in the data set's list, counted from 0."""

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if (self.downsample_to is None) == (self.prompt_template is None):
            raise ValueError(
                "expected either 'downsample_to' or 'prompt_template'. Write one; the other is a variant of its own."
            )
        return self


class Figure6Samples(FrozenModel):
    """One row set of the figure of samples (Figure 6): pictures that the model makes from the class prompts."""

    renamed_keys = {"images": "images_per_prompt"}

    model: str
    """A model of the run."""
    dataset: str
    """A data set of the run, whose prompts are used."""
    images_per_prompt: Count = 4
    """Pictures a prompt."""
    steps: Count = 50
    """Steps of the checkpoint's own sampler."""
    guidance: Annotated[float, Field(ge=1)] = 7.5
    """Weight of classifier-free guidance; 1 is none."""


class Run(FrozenModel):
    """One run: `config/config.yaml`, or a file given with `--configfile`. Defaults are the paper's protocol."""

    renamed_keys = {
        "run": "name",
        "seeds": "noise_seeds",
        "images": "max_images",
        "selection_seed": "subset_seed",
        "shard_images": "max_images_per_job",
        "shard_calls": "max_calls_per_job",
        "flush_calls": "flush_every",
        "binding": "attribute_binding",
        "efficiency": "figure2_efficiency",
        "unpruned": "full_scoring",
        "variants": "ablations",
        "denoised": "figure3_denoised",
        "samples": "figure6_samples",
        "plan": "cost_estimate",
    }

    name: Annotated[str, Field(pattern=RUN_NAME)]
    """Name of the run and of its folder, `{results}/{name}`: lower-case letters, digits and hyphens."""
    results: Text = "results"
    """Folder of all runs. Change it to a large disk."""
    store: Text = "results/store"
    """Folder of the score store. Shared between runs, so that no score is ever computed twice."""
    noise_seeds: list[Seed] = Field([0], min_length=1)
    """Seeds of the draws. Each is a replication at full cost."""
    models: list[str] = Field(min_length=1)
    """Diffusion models: names of files in `config/models`."""
    baselines: list[str] = Field([])
    """CLIP and supervised models: names of files in `config/models`."""
    datasets: list[str] = Field(min_length=1)
    """Data sets: names of files in `config/datasets`."""
    max_images: Count = 4096
    """Test images per data set; all of them where there are fewer."""
    subset_seed: Seed = 0
    """Seed of the choice of test images. Change it to measure the variance over splits."""
    stratified: bool = False
    """Whether the chosen test images keep the classes' shares. Off, as in the paper: a class may be met more or less often than it is."""
    policy: AnyPolicy = TTest()
    """The policy of the races on data sets."""
    weighting: AnyWeighting = Heuristic()
    """The weighting of the scores. Stored scores are unweighted, so full scores are replayed under another weighting without a call. A race
    that drops classes drops others under another weighting, so its tables need scores that may not be stored yet."""
    max_images_per_job: Count = 1024
    """Images of a cluster job at the most. Results do not depend on it."""
    max_calls_per_job: Count = 2_500_000
    """Calls of a cluster job, as expected before anything is measured: with many classes a job has fewer images, at least one. The
    default is about six hours of Stable Diffusion 1.4 on an A100; lower it for larger models or slower GPUs, so that a job ends well
    before the site's time limit. Results do not depend on it."""
    batch_size: Count | Literal["auto"] = "auto"
    """Calls evaluated at once. `auto`: 32 on a CPU; on a GPU 512, or the half, quarter... of it that fits. What does not fit is
    evaluated in smaller pieces; which calls are made and which classes win do not depend on it."""
    flush_every: Count = 4096
    """Calls between two writes to the score store: the most work that a killed job loses, or two batches if that is more."""
    device: Annotated[str, Field(pattern=DEVICE)] = "auto"
    """`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`."""
    threads: Count = 1
    """CPU threads of a scoring job."""
    attribute_binding: AttributeBinding | None = None
    """The attribute-binding tasks; left out: none."""
    figure2_efficiency: list[Figure2Efficiency] = Field([])
    """What the efficiency figure shows."""
    full_scoring: list[FullScoring] = Field([])
    """Further unpruned scores, for Table 4, Figure 5, sensitivity and costs; those of `figure2_efficiency` always serve, too."""
    ablations: list[Ablation] = Field([])
    """What the tables of Section 4.1 (reduced images) and of the prompt study show beside the plain data set."""
    figure3_denoised: list[Figure3Denoised] = Field([])
    """What the figure of denoised images shows."""
    figure6_samples: list[Figure6Samples] = Field([])
    """What the figure of samples shows."""
    cost_estimate: CostEstimate = CostEstimate()
    """What the plan of the run reckons with."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = {
            "noise_seeds": self.noise_seeds,
            "models": self.models,
            "baselines": self.baselines,
            "datasets": self.datasets,
        }
        if self.attribute_binding:
            names |= {
                "attribute_binding.models": self.attribute_binding.models,
                "attribute_binding.baselines": self.attribute_binding.baselines,
            }
        for key, values in names.items():
            twice = next((value for value in values or [] if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"'{key}' holds {twice!r} twice. Remove one.")
        folder = Path(self.results, self.name)
        # Resolved from where Snakemake runs, as both will be used: another spelling is no other place.
        if Path(self.store).resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"'store' is '{self.store}', inside the run's folder '{folder}'. Deleting a run must not delete "
                "scores: choose another folder, e.g. 'results/store', or another 'name'."
            )
        return self
