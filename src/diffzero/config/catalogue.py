"""What the files of config/models and config/datasets may hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

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


class Digits(Closed):
    """The handwritten digits that ship inside scikit-learn."""

    kind: Literal["digits"]
    """scikit-learn's digits, less those on which the mini models are trained."""


class Parquet(Closed):
    """A Parquet file with one encoded image a row."""

    kind: Literal["parquet"]
    """A Parquet file."""
    path: Text
    """The file, relative to the root of the repository."""
    image: Text
    """Column with the bytes of a PNG, JPEG or WebP."""
    label: Text
    """Column with the label: 0 is the first class name."""


class Folder(Closed):
    """A folder with one sub-folder of images per class."""

    kind: Literal["folder"]
    """A folder of images."""
    path: Text
    """The folder, relative to the root of the repository; each sub-folder bears the name of its class."""


class Hub(Closed):
    """A data set on the hub."""

    kind: Literal["hub"]
    """A repository on the data set hub."""
    repo: Repository
    """Repository, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""
    config: Text | None = None
    """Configuration of the repository, where it has several."""
    split: Text
    """Split that holds the test images, in the words of the repository."""
    image: Text
    """Column with the image."""
    label: Text
    """Column with the label: 0 is the first class name."""


class Dataset(Closed):
    """A data set: where its test images are, what its classes are called, how they become prompts."""

    title: Text
    """Name in tables and figures."""
    source: Annotated[Digits | Parquet | Folder | Hub, Field(discriminator="kind")]
    """Where the test images are."""
    classnames: list[Text]
    """Names in the order of the source's labels, at least two. Equal names are scored once and share the score."""
    templates: Annotated[list[str], Field(min_length=1)]
    """Prompt templates, each with exactly one `{}` for the class name."""
    template: Annotated[int, Field(ge=0)] = 0
    """Which template is used, counted from 0. The paper's choice is the default of every file here."""
    licence: Text
    """Licence of the images."""
    split_note: str = ""
    """Which images count as the test set, where that needs words."""
    note: str = ""
    """What a reader of the tables must know."""
    trained_on: list[str] = Field([])
    """Models that saw the training images of this domain: their results are not zero-shot, and tables say so."""

    @field_validator("classnames")
    @classmethod
    def _enough_classes(cls, names: list[str]) -> list[str]:
        if len(names) < 2:
            raise ValueError(f"found {len(names)} class names, expected at least 2. Add the others, in label order.")
        return names

    @field_validator("templates")
    @classmethod
    def _one_gap(cls, templates: list[str]) -> list[str]:
        for template in templates:
            if template.count("{}") != 1 or set("{}") & set(template.replace("{}", "")):
                raise ValueError(f"found {template!r}, expected exactly one {{}} where the class name goes "
                                 "and no other braces, e.g. 'a photo of a {}.'.")  # fmt: skip
        return templates

    @model_validator(mode="after")
    def _template_exists(self) -> Self:
        if self.template >= len(self.templates):
            raise ValueError(f"'template' is {self.template}, expected 0 to {len(self.templates) - 1}: counted from 0.")
        return self
