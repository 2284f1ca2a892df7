"""Configuration blocks of models and baselines (config/models)."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffzero.utils.fields import Commit, Count, Index, Repository, Text
from diffzero.utils.frozen_model import FrozenModel


class Mirror(FrozenModel):
    """Another repository with the same weights, used when the first one cannot be reached."""

    hub: Repository
    """Repository on the Hugging Face hub, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""


class Weights(FrozenModel):
    """Where the weights of a model come from, and how tables refer to the model."""

    title: Text
    """Name in tables and figures."""
    licence: Text
    """Licence of the weights."""
    path: Text | None = None
    """Local folder of the weights, relative to the root of the repository. With `hub` as well, the folder is used."""
    hub: Repository | None = None
    """Repository on the Hugging Face hub, owner/name."""
    revision: Commit | None = None
    """Commit of `hub`, 40 hexadecimal digits. Branches are refused because they may move."""
    mirrors: list[Mirror] = Field([])
    """Other repositories with the same weights, in the order in which to try them."""
    gated: bool = False
    """Whether the hub requires an account that has accepted the licence."""
    note: str = ""
    """Note shown below the tables."""

    @property
    def local_dir(self) -> str | None:
        """The local folder of the weights, if there is one."""
        return self.path

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if not (self.local_dir or self.hub):
            raise ValueError("neither 'path' nor 'hub' is given. Write one: a local folder, or owner/name on the hub.")
        if bool(self.hub) != bool(self.revision):
            raise ValueError("'hub' and 'revision' go together. Write both, or only a 'path'.")
        return self


class Diffusion(Weights):
    """A diffusion model: a folder in the format of diffusers' `save_pretrained`, on disk or on the hub."""

    renamed_keys = {"size": "resolution"}

    kind: Literal["diffusion"]
    """A diffusion model."""
    resolution: Count
    """Width and height in pixels to which images are resized: the resolution that the model was trained on."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """Precision of the network. Scores of different precisions are stored separately."""
    parameters: Count | None = None
    """Parameters of the denoiser in millions. They determine the memory that jobs request. By default 1000."""
    text_parameters: Count | None = None
    """Parameters of the largest text encoder in millions. They determine the memory that jobs request to encode prompts. By default
    4762 (T5-XXL)."""
    gflops: Annotated[float, Field(gt=0)] | None = None
    """Floating-point operations per call in billions, a multiply-add counting as two. Cost estimates use it until a speed is measured."""


class Baseline(Weights):
    """A classifier to compare with."""

    renamed_keys = {"via": "downsample_to"}

    downsample_to: list[Count | None] = Field([None], min_length=1)
    """Sizes in pixels to which images are downsampled before they are resized for the network; null: no downsampling. One result per
    entry."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if len(set(self.downsample_to)) < len(self.downsample_to):
            raise ValueError(f"'downsample_to' is {self.downsample_to}, expected each entry once. Remove the second.")
        return self


class Clip(Baseline):
    """A CLIP model, loaded by open_clip from safetensors."""

    kind: Literal["clip"]
    """A CLIP model."""
    downsample_to: list[Count | None] = Field([64, None], min_length=1)
    """Sizes in pixels to which images are downsampled before they are resized for the network; null: no downsampling. One result per
    entry."""
    architecture: Text | None = None
    """Name of the architecture in open_clip. By default that of `open_clip_config.json` beside the weights. `local-dir:PATH` is the same
    as `path: PATH`."""

    @property
    def local_dir(self) -> str | None:
        """The local folder of the weights, given as `path` or as `architecture: local-dir:PATH`."""
        return self.path or (self.architecture or "").partition("local-dir:")[2] or None

    @property
    def open_clip_name(self) -> str | None:
        """The name of the architecture in open_clip; None if it is in the folder of the weights."""
        return None if (self.architecture or "").startswith("local-dir:") else self.architecture

    @model_validator(mode="before")
    @classmethod
    def _refuse_pretrained(cls, block: object) -> object:
        if isinstance(block, Mapping) and "pretrained" in block:
            architecture, tag = block.get("architecture"), block["pretrained"]
            _require_quickgelu(architecture, tag)
            raise ValueError(
                "'pretrained' names weights that may move or be pickled. Write 'hub' and 'revision' instead. The repository is `hf_hub` "
                f"in the output of `python -c \"import open_clip; print(open_clip.get_pretrained_cfg('{architecture}', '{tag}'))\"`."
            )
        return block

    @model_validator(mode="after")
    def _check_activation(self) -> Self:
        if self.hub and self.hub.endswith(".openai"):
            _require_quickgelu(self.open_clip_name, "openai")
        return self


def _require_quickgelu(architecture: object, weights: object) -> None:
    """Refuse the default activation of open_clip for OpenAI's weights, which were trained with another one."""
    if weights == "openai" and isinstance(architecture, str) and not architecture.endswith("-quickgelu"):
        raise ValueError(
            f"'architecture' is '{architecture}', which runs OpenAI's weights with the wrong activation (open_clip only warns). "
            f"Write '{architecture}-quickgelu'."
        )


class Supervised(Baseline):
    """A classifier trained on labels, loaded by timm from safetensors. It is not zero-shot and has a fixed set of classes."""

    kind: Literal["supervised"]
    """A supervised classifier."""
    classes: dict[str, Literal["outputs"] | dict[str, list[Index]]] = Field(min_length=1)
    """The data sets that it can classify; it is not used on others. `outputs` if its outputs are the labels of the data set. Otherwise the
    outputs that belong to each class; their probabilities are averaged."""

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        for dataset, classes in self.classes.items():
            empty = [name for name, outputs in classes.items() if not outputs] if classes != "outputs" else []
            if empty or not classes:
                raise ValueError(
                    f"'classes.{dataset}': found no outputs for {empty or 'any class'}, expected at least one per class."
                )
        return self


Model = Annotated[Diffusion | Clip | Supervised, Field(discriminator="kind")]
