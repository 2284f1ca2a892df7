"""What the files of config/models may hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from diffzero.config.base import Closed, Commit, Count, Repository, Text


class Mirror(Closed):
    """Another place of the same weights, for when the first one vanishes."""

    hub: Repository
    """Repository on the model hub, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""


class Diffusion(Closed):
    """A diffusion model: a folder as diffusers' `save_pretrained` writes it, on disk or on the hub."""

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
    size: Count
    """Pixels a side to which an image is resized: what the model was trained on."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """Precision of the network. Part of a score's identity."""
    parameters: Count | None = None
    """Parameters of the denoiser, in millions: what a job's memory is asked for by. Left out: 1000."""
    gflops: Annotated[float, Field(gt=0)] | None = None
    """Floating-point operations of one call, in billions (2 for a multiply-add): what a run is planned by before anything is measured."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""
    note: str = ""
    """What a reader of the tables must know."""

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        if not (self.path or self.hub):
            raise ValueError("neither 'path' nor 'hub' is given. Write one: a local folder, or owner/name on the hub.")
        if bool(self.hub) != bool(self.revision):
            raise ValueError("'hub' and 'revision' go together. Write both, or only a 'path'.")
        return self


class Clip(Closed):
    """A CLIP baseline, loaded by open_clip."""

    kind: Literal["clip"]
    """A CLIP model."""
    title: Text
    """Name in tables and figures."""
    licence: Text
    """Licence of the weights."""
    architecture: Text
    """Name in open_clip, or `local-dir:PATH` with a path relative to the root of the repository."""
    pretrained: Text | None = None
    """Name of the weights in open_clip; left out for `local-dir:`, which brings its own."""
    via: list[Count | None] = Field([64, None], min_length=1)
    """Input settings, one result each: 64 is reduced to 64 pixels first, null is resized directly."""
    note: str = ""
    """What a reader of the tables must know."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.via)) < len(self.via):
            raise ValueError(f"'via' is {self.via}, expected each input setting once. Remove the second.")
        if self.pretrained == "openai" and not self.architecture.endswith("-quickgelu"):
            raise ValueError(f"architecture '{self.architecture}' runs OpenAI's weights with the wrong activation "
                             f"(open_clip only warns). Write '{self.architecture}-quickgelu'.")  # fmt: skip
        return self


Model = Annotated[Diffusion | Clip, Field(discriminator="kind")]
