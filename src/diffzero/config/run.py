"""The configuration of a run (config/config.yaml, config/demo.yaml)."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffzero.config.studies import (
    Ablation,
    AttributeBinding,
    Figure2Efficiency,
    Figure3Denoised,
    Figure6Samples,
    FullScoring,
)
from diffzero.diffusion.weighting import AnyWeighting, Heuristic
from diffzero.pruning.policies import AnyPolicy, TTest
from diffzero.utils.fields import DEVICE, RUN_NAME, Count, Seed, Text
from diffzero.utils.frozen_model import FrozenModel


class CostEstimate(FrozenModel):
    """Assumptions of `snakemake --cores 1 plan`. Results do not depend on them."""

    renamed_keys = {"efficiency": "utilization"}

    gpus: Count = 8
    """GPUs that the run uses at a time."""
    device: Text = "A100"
    """The device, as part of the name that it reports. If no speed has been measured on it: one of `V100`, `A100`, `L40S`, `H100`, `H200`,
    `RTX 4090` and `cpu`, whose peak FLOP/s are known from data sheets."""
    utilization: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Fraction of the peak FLOP/s of the data sheet that a network reaches, if no speed has been measured."""
    start_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Seconds from the start of a job to its first call: imports, loading the weights from a shared disk."""


class Run(FrozenModel):
    """A run: `config/config.yaml`, or a file given with `--configfile`. The defaults are the protocol of the paper."""

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
    """Name of the run and of its folder `{results}/{name}`: lower-case letters, digits and hyphens."""
    results: Text = "results"
    """Folder of all runs. Choose a large disk."""
    store: Text = "results/store"
    """Folder of the score store. All runs share it, so that no score is computed twice."""
    noise_seeds: list[Seed] = Field([0], min_length=1)
    """Seeds of the draws. Each additional seed is a replication at full cost."""
    models: list[Text] = Field(min_length=1)
    """Diffusion models: names of files in `config/models`."""
    baselines: list[Text] = Field([])
    """CLIP and supervised models: names of files in `config/models`."""
    datasets: list[Text] = Field(min_length=1)
    """Data sets: names of files in `config/datasets`."""
    max_images: Count = 4096
    """Maximum number of test images per data set."""
    subset_seed: Seed = 0
    """Seed of the subset of test images. Change it to measure the variance over subsets."""
    stratified: bool = False
    """Whether the subset keeps the class frequencies of the test set. Off by default, as in the paper."""
    policy: AnyPolicy = TTest()
    """The pruning policy of the races on data sets."""
    weighting: AnyWeighting = Heuristic()
    """The weighting of the scores. Scores are stored without weights, so full scores can be evaluated under another weighting without a
    call. A policy that drops classes may drop different ones under another weighting, and its tables may then need further scores."""
    max_images_per_job: Count = 1024
    """Maximum number of images per cluster job. Results do not depend on it."""
    max_calls_per_job: Count = 2_500_000
    """Maximum number of calls per cluster job, as expected before anything is measured. With many classes a job has fewer images, at
    least one. The default takes about six hours with Stable Diffusion 1.4 on an A100. Lower it for larger models or slower GPUs, so that
    a job ends well before the time limit of the cluster. Results do not depend on it."""
    batch_size: Count | Literal["auto"] = "auto"
    """Calls per batch. `auto` means 32 on a CPU and 512 on a GPU, or the largest half, quarter and so on of it that fits into memory. A
    batch that does not fit is evaluated in parts; the calls and the predictions do not depend on the parts."""
    flush_every: Count = 4096
    """Calls between two writes to the score store. A killed job loses at most this many calls, or two batches if these are more."""
    device: Annotated[str, Field(pattern=DEVICE)] = "auto"
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`."""
    threads: Count = 1
    """CPU threads of a scoring job."""
    attribute_binding: AttributeBinding | None = None
    """The attribute-binding tasks. By default there are none."""
    figure2_efficiency: list[Figure2Efficiency] = Field([])
    """The models and data sets of Figure 2, the efficiency of shared noise and pruning."""
    full_scoring: list[FullScoring] = Field([])
    """Further scores without pruning, for Table 4, Figure 5, the sensitivity to settings and the cost frontier. Those of
    `figure2_efficiency` are used as well."""
    ablations: list[Ablation] = Field([])
    """Ablations for the tables of Section 4.1 (downsampled images) and of the prompt study."""
    figure3_denoised: list[Figure3Denoised] = Field([])
    """The models and data sets of Figure 3, denoised images."""
    figure6_samples: list[Figure6Samples] = Field([])
    """The models and data sets of Figure 6, generated images."""
    cost_estimate: CostEstimate = CostEstimate()
    """Assumptions of the cost estimate, `snakemake --cores 1 plan`."""

    @model_validator(mode="after")
    def _check_duplicates(self) -> Self:
        lists: dict[str, list[str] | list[int]] = {
            "noise_seeds": self.noise_seeds,
            "models": self.models,
            "baselines": self.baselines,
            "datasets": self.datasets,
        }
        if self.attribute_binding:
            lists["attribute_binding.models"] = self.attribute_binding.models or []
            lists["attribute_binding.baselines"] = self.attribute_binding.baselines or []
        for key, values in lists.items():
            duplicate = next((value for number, value in enumerate(values) if value in values[:number]), None)
            if duplicate is not None:
                raise ValueError(f"'{key}' holds {duplicate!r} twice. Remove one.")
        return self

    @model_validator(mode="after")
    def _check_store(self) -> Self:
        run_dir = Path(self.results, self.name)
        # Resolved, because the same folder can be written in several ways.
        if Path(self.store).resolve().is_relative_to(run_dir.resolve()):
            raise ValueError(
                f"'store' is '{self.store}', inside the folder of the run, '{run_dir}'. Deleting a run must not delete "
                "scores: choose another folder, e.g. 'results/store', or another 'name'."
            )
        return self
