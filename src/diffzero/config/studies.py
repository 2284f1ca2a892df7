"""Configuration blocks of the other studies of a run: attribute-binding tasks, figures, scores without pruning, ablations."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffzero.pruning.policies import AnyPolicy, TTest
from diffzero.utils.fields import Count, Index, Seed, Several, Text
from diffzero.utils.frozen_model import FrozenModel

# Learned weights and calibration are fitted on one half of the images and evaluated on the other.
Halves = Several


class Lewis(FrozenModel):
    """The two-object images of Lewis et al. (2022). Their labels allow five of the twenty tasks."""

    renamed_keys = {"images": "max_images"}

    path: Text
    """Folder that contains their `two_object`, relative to the root of the repository. Download it first (docs/binding.md)."""
    split: Literal["train", "val", "gen"] = "gen"
    """Their split. They measure generalisation on `gen`. No mini model was trained on any of the splits."""
    max_images: Count = 1000
    """Maximum number of images. Each task uses all of them that it can."""


class AttributeBinding(FrozenModel):
    """The attribute-binding tasks on two-object scenes (Table 3 of the paper)."""

    renamed_keys = {
        "scenes": "examples_per_task",
        "resolution": "render_resolution",
        "samples": "render_spp",
        "shard_scenes": "scenes_per_job",
    }

    examples_per_task: Count | None = None
    """Examples per task, each on its own rendered scene (1000 in the paper). Tasks with Size need scenes whose objects differ in size,
    about half of all scenes, so somewhat more than twice as many are rendered. Without this key, only `lewis` is used."""
    render_resolution: Count = 512
    """Width and height of a rendered scene in pixels. Use at least the `resolution` of the largest model."""
    render_spp: Count = 64
    """Samples per pixel of the renderer. More samples reduce the noise of the picture and take proportionally longer."""
    scenes_per_job: Count = 100
    """Scenes per cluster job."""
    seed: Seed = 0
    """Seed of the scenes and of the choices in the prompts."""
    models: list[Text] | None = None
    """Diffusion models to test. By default those of the run."""
    baselines: list[Text] | None = None
    """Baselines to test. By default those of the run. Supervised baselines are skipped because they do not accept text."""
    policy: AnyPolicy = TTest()
    """The pruning policy of these races between two sentences. They need fewer draws than races between many classes."""
    lewis: Lewis | None = None
    """The images of Lewis et al., with or without rendered scenes. By default they are not used."""

    @model_validator(mode="after")
    def _check_scenes(self) -> Self:
        if self.examples_per_task is None and self.lewis is None:
            raise ValueError(
                "found neither `examples_per_task` nor `lewis`, expected one, e.g. examples_per_task: 1000. "
                "To run without these tasks, remove `attribute_binding`."
            )
        return self


class Figure2Efficiency(FrozenModel):
    """One Figure 2, accuracy against calls per class: unshared noise, shared noise, shared noise with pruning."""

    renamed_keys = {"images": "n_images"}

    model: Text
    """A model of the run."""
    dataset: Text
    """A data set of the run."""
    n_images: Halves
    """Images that are scored without pruning, at least 2. The calls are images x classes x draws, twice."""
    draws: Count
    """Draws per class, where the curves end."""


class FullScoring(FrozenModel):
    """Scores of every class at every draw. Weightings, policies, calibration and learned weights are computed from them."""

    renamed_keys = {"images": "n_images"}

    model: Text
    """A model of the run."""
    dataset: Text
    """A data set of the run."""
    n_images: Halves
    """Images that are scored without pruning, at least 2. The calls are images x classes x draws."""
    draws: Count
    """Draws per class. The learned weighting of the paper has about 100 draws in each of 20 intervals of t, 2000 in total."""


class Ablation(FrozenModel):
    """The same images with one change: downsampled first (Section 4.1), or with another prompt template."""

    renamed_keys = {"reduced": "downsample_to", "template": "prompt_template"}

    model: Text
    """A model of the run."""
    dataset: Text
    """A data set of the run."""
    downsample_to: Count | None = None
    """Width and height in pixels to which each image is downsampled before it is resized to the resolution of the model."""
    prompt_template: Index | None = None
    """Number of the template in the list of the data set, counted from 0."""

    @model_validator(mode="after")
    def _check_single_change(self) -> Self:
        if (self.downsample_to is None) == (self.prompt_template is None):
            raise ValueError(
                "expected either 'downsample_to' or 'prompt_template'. Write one key; for the other, add another entry."
            )
        return self


class Figure3Denoised(FrozenModel):
    """One Figure 3: noised images and the model's denoised images under the right and the wrong prompts."""

    renamed_keys = {"images": "n_images"}

    model: Text
    """A model of the run."""
    dataset: Text
    """A data set of the run."""
    n_images: Count
    """Images in the figure."""
    t: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Diffusion time in [0, 1]. The closer to 1, the more the denoised image depends on the prompt."""


class Figure6Samples(FrozenModel):
    """One Figure 6: images that the model generates from the class prompts."""

    renamed_keys = {"images": "images_per_prompt"}

    model: Text
    """A model of the run."""
    dataset: Text
    """A data set of the run; its class prompts are used."""
    images_per_prompt: Count = 4
    """Generated images per prompt."""
    steps: Count = 50
    """Steps of the checkpoint's own sampler."""
    guidance: Annotated[float, Field(ge=1)] = 7.5
    """Scale of classifier-free guidance; 1 means no guidance."""
