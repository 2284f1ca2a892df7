"""What the files of config/models may hold."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from diffzero.utils.fields import Commit, Count, Repository, Text
from diffzero.utils.frozen_model import FrozenModel


class Mirror(FrozenModel):
    """Another place of the same weights, for when the first one vanishes."""

    hub: Repository
    """Repository on the model hub, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""


class Diffusion(FrozenModel):
    """A diffusion model: a folder as diffusers' `save_pretrained` writes it, on disk or on the hub."""

    renamed_keys = {"size": "resolution"}

    kind: Literal["diffusion"]
    """A diffusion model."""
    title: Text
    """Name in tables and figures."""
    licence: Text
    """Licence of the weights."""
    path: Text | None = None
    """Local folder, relative to the root of the repository. Used before `hub` where both are given."""
    hub: Repository | None = None
    """Repository on the model hub, owner/name."""
    revision: Commit | None = None
    """Commit of `hub`, 40 hexadecimal digits; part of what is cited, so never a branch."""
    mirrors: list[Mirror] = Field([])
    """Other places of the same weights, in the order in which to try them."""
    resolution: Count
    """Pixels a side to which an image is resized: what the model was trained on."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """Precision of the network. Part of a score's identity."""
    parameters: Count | None = None
    """Parameters of the denoiser, in millions: what a job's memory is asked for by. Left out: 1000."""
    text_parameters: Count | None = None
    """Parameters of the largest text encoder, in millions: what a job that embeds prompts asks for. Left out: 4762, T5-XXL's."""
    gflops: Annotated[float, Field(gt=0)] | None = None
    """Floating-point operations of one call, in billions (2 for a multiply-add): what a run is planned by before anything is measured."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""
    note: str = ""
    """What a reader of the tables must know."""

    @property
    def local(self) -> str | None:
        """The local folder."""
        return self.path

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        _require_weights(self.local, self.hub, self.revision)
        return self


class Clip(FrozenModel):
    """A CLIP baseline, loaded by open_clip from safetensors."""

    renamed_keys = {"via": "downsample_to"}

    kind: Literal["clip"]
    """A CLIP model."""
    title: Text
    """Name in tables and figures."""
    licence: Text
    """Licence of the weights."""
    architecture: Text | None = None
    """Name in open_clip. Left out: what the weights' own open_clip_config.json says. `local-dir:PATH` is the same as `path: PATH`."""
    path: Text | None = None
    """Local folder with open_clip_model.safetensors, relative to the root of the repository. Used before `hub` where both are given."""
    hub: Repository | None = None
    """Repository on the model hub, owner/name."""
    revision: Commit | None = None
    """Commit of `hub`, 40 hexadecimal digits."""
    mirrors: list[Mirror] = Field([])
    """Other places of the same weights, in the order in which to try them."""
    downsample_to: list[Count | None] = Field([64, None], min_length=1)
    """Input settings, one result each: 64 is reduced to 64 pixels first, null is resized directly."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""
    note: str = ""
    """What a reader of the tables must know."""

    @model_validator(mode="before")
    @classmethod
    def _no_tag(cls, block: Any) -> Any:
        if isinstance(block, Mapping) and "pretrained" in block:
            architecture, tag = block.get("architecture"), block["pretrained"]
            _refuse_plain_gelu(architecture, tag)
            raise ValueError(f"'pretrained' names weights that may move or be pickled. Write 'hub' and 'revision' instead. The repository: "
                             f"`python -c \"import open_clip; print(open_clip.get_pretrained_cfg('{architecture}', '{tag}'))\"`, "
                             "hf_hub.")  # fmt: skip
        return block

    @property
    def local(self) -> str | None:
        """The local folder, however it was written."""
        folder = (self.architecture or "").partition("local-dir:")[2]
        return self.path or folder or None

    @property
    def named(self) -> str | None:
        """The architecture's name in open_clip; None where the folder says what it is."""
        return None if (self.architecture or "").startswith("local-dir:") else self.architecture

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.downsample_to)) < len(self.downsample_to):
            raise ValueError(
                f"'downsample_to' is {self.downsample_to}, expected each input setting once. Remove the second."
            )
        if self.hub and self.hub.endswith(".openai"):
            _refuse_plain_gelu(self.named, "openai")
        _require_weights(self.local, self.hub, self.revision)
        return self


def _refuse_plain_gelu(architecture: object, weights: object) -> None:
    """OpenAI trained its CLIP with another activation than open_clip's default."""
    if weights == "openai" and isinstance(architecture, str) and not architecture.endswith("-quickgelu"):
        raise ValueError(f"architecture '{architecture}' runs OpenAI's weights with the wrong activation "
                         f"(open_clip only warns). Write '{architecture}-quickgelu'.")  # fmt: skip


def _require_weights(path: str | None, hub: str | None, revision: str | None) -> None:
    if not (path or hub):
        raise ValueError("neither 'path' nor 'hub' is given. Write one: a local folder, or owner/name on the hub.")
    if bool(hub) != bool(revision):
        raise ValueError("'hub' and 'revision' go together. Write both, or only a 'path'.")


class Supervised(FrozenModel):
    """A baseline that was trained on labels, loaded by timm from safetensors. Not zero-shot: it knows its own classes alone."""

    renamed_keys = {"via": "downsample_to"}

    kind: Literal["supervised"]
    """A supervised classifier."""
    title: Text
    """Name in tables and figures."""
    licence: Text
    """Licence of the weights."""
    path: Text | None = None
    """Local folder with timm's config.json and model.safetensors, relative to the root of the repository. Used before `hub`."""
    hub: Repository | None = None
    """Repository on the model hub, owner/name."""
    revision: Commit | None = None
    """Commit of `hub`, 40 hexadecimal digits."""
    mirrors: list[Mirror] = Field([])
    """Other places of the same weights, in the order in which to try them."""
    classes: dict[str, Literal["outputs"] | dict[str, list[Annotated[int, Field(ge=0)]]]] = Field(min_length=1)
    """The data sets it can be asked about, others are left out: `outputs` where its outputs are the data set's labels, else the outputs
    that mean each class, whose probabilities are averaged."""
    downsample_to: list[Count | None] = Field([None], min_length=1)
    """Input settings, one result each: 64 is reduced to 64 pixels first, null is resized directly."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""
    note: str = ""
    """What a reader of the tables must know."""

    @property
    def local(self) -> str | None:
        """The local folder."""
        return self.path

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.downsample_to)) < len(self.downsample_to):
            raise ValueError(
                f"'downsample_to' is {self.downsample_to}, expected each input setting once. Remove the second."
            )
        for dataset, classes in self.classes.items():
            empty = [name for name, outputs in classes.items() if not outputs] if classes != "outputs" else []
            if empty or not classes:
                raise ValueError(
                    f"'classes.{dataset}': found no outputs for {empty or 'any class'}, expected at least one each."
                )
        _require_weights(self.local, self.hub, self.revision)
        return self


Model = Annotated[Diffusion | Clip | Supervised, Field(discriminator="kind")]
Baseline = Clip | Supervised
