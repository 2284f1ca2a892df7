"""What the files of config/datasets may hold: where test images are, what their classes are called, how they become prompts."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from diffzero.config.base import Address, Commit, Count, Digest, Repository, Text
from diffzero.utils.frozen_model import FrozenModel


class Digits(FrozenModel):
    """The handwritten digits that ship inside scikit-learn."""

    kind: Literal["digits"]
    """scikit-learn's digits, less those on which the mini models are trained."""


class Parquet(FrozenModel):
    """A Parquet file with one encoded image a row."""

    kind: Literal["parquet"]
    """A Parquet file."""
    path: Text
    """The file, or a folder of such files, relative to the root of the repository."""
    image: Text
    """Column with the bytes of a PNG, JPEG or WebP, plain or as `{bytes, path}`. A column `image` of names is used where there is one."""
    label: Text
    """Column with the label: a number, 0 for the first class name, or the class's name."""


class Folder(FrozenModel):
    """A folder with one sub-folder of images per class."""

    kind: Literal["folder"]
    """A folder of images."""
    path: Text
    """The folder, relative to the root of the repository; each sub-folder bears the name or the key of its class."""


class Hub(FrozenModel):
    """Parquet files of a data set on the hub."""

    renamed_keys = {"config": "subset", "names": "label_names"}

    kind: Literal["hub"]
    """A repository of Parquet files on the data set hub."""
    repo: Repository
    """Repository, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""
    subset: Text | None = None
    """Configuration of the repository, where it has several."""
    split: Text
    """Split that holds the test images, in the words of the repository."""
    image: Text
    """Column with the image."""
    label: Text
    """Column with the label. Where the files name their classes, labels are matched by name, not by number."""
    label_names: list[Text] = Field([])
    """Class names in the order of this source's labels, where its files do not give them and the order is not that of `classnames`."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""


class Webdataset(FrozenModel):
    """Tar files of a data set on the hub, as CLIP_benchmark and DataComp keep them."""

    renamed_keys = {"names": "label_names"}

    kind: Literal["webdataset"]
    """A repository of tar shards: `{split}/nshards.txt`, `{split}/0.tar`, ..., `classnames.txt`; samples of `.cls` and an image."""
    repo: Repository
    """Repository, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""
    split: Text = "test"
    """Folder of the shards."""
    label_names: list[Text] = Field([])
    """Class names in the order of this source's labels, where it has no `classnames.txt` and the order is not that of `classnames`."""
    digests: dict[str, Digest] = Field({})
    """What shards must hash to, by their path: `test/0.tar: sha256:...`."""
    gated: bool = False
    """Whether the hub asks for an account and a licence agreement first."""


class Download(FrozenModel):
    """One file by its address."""

    url: Address
    """Where it is."""
    digest: Digest | None = None
    """What it must hash to. Left out only where nobody has published it."""


class Archive(FrozenModel):
    """Files as the authors of a data set publish them."""

    renamed_keys = {"layout": "format"}

    kind: Literal["archive"]
    """Files from plain addresses."""
    format: Literal["cifar10", "cifar100", "idx", "stl10", "svhn", "listed", "pets", "folders"]
    """How they are read. `listed`: a tar or zip with a text file of test images; `folders`: one with a folder per class; the others are
    the formats of the data sets whose names they bear (`idx`: MNIST)."""
    files: list[Download] = Field(min_length=1)
    """The files: for `idx` and `pets` images first, then labels."""
    listing: Text | None = None
    """For `listed`: the text file inside, one `class/image` a line."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        expected = 2 if self.format in ("idx", "pets") else 1
        if len(self.files) != expected:
            raise ValueError(f"format '{self.format}' with {len(self.files)} files, expected {expected}.")
        if (self.format == "listed") != bool(self.listing):
            raise ValueError("'listing' and format 'listed' go together. Write both or neither.")
        return self


Source = Annotated[Digits | Parquet | Folder | Hub | Webdataset | Archive, Field(discriminator="kind")]


class Dataset(FrozenModel):
    """A data set: where its test images are, what its classes are called, how they become prompts."""

    renamed_keys = {
        "keys": "source_classnames",
        "templates": "prompt_templates",
        "template": "prompt_template",
        "paper_template": "paper_prompt_template",
        "cues": "cue_pattern",
        "conflict_only": "exclude_non_conflict",
        "trained_on": "seen_by_models",
    }

    title: Text
    """Name in tables and figures."""
    source: Source | None = None
    """Where the test images are. Write this or `sources`."""
    sources: list[Source] = Field([])
    """Several places of the same test images, in order of preference: the next is tried when one fails."""
    classnames: list[Text]
    """Names in the order of the labels, at least two. Equal names are scored once and share the score."""
    source_classnames: list[Text] = Field([])
    """What sources call the classes (folders, column metadata), in the order of `classnames`; left out where they use the same names."""
    prompt_templates: Annotated[list[str], Field(min_length=1)]
    """Prompt templates, each with exactly one `{}` for the class name."""
    prompt_template: Annotated[int, Field(ge=0)] = 0
    """Which template is used, counted from 0. The paper's choice, where known, is the default of every file here."""
    paper_prompt_template: Annotated[int, Field(ge=0)] | None = None
    """Which template the paper used; left out where it is not known."""
    licence: Text
    """Licence of the images."""
    split_note: str = ""
    """Which images count as the test set, where that needs words."""
    test_size: Count | None = None
    """Images of the whole test set, as documented. A source that holds fewer is not used; of one that holds more, the log says so."""
    cue_pattern: Text | None = None
    """For cue-conflict images: a regular expression of file names with the groups `shape` and `texture`, both class names."""
    exclude_non_conflict: bool = False
    """With `cue_pattern`: leave out the images whose shape and texture agree (80 of the 1280)."""
    note: str = ""
    """What a reader of the tables must know."""
    seen_by_models: list[str] = Field([])
    """Models that saw the training images of this domain: their results are not zero-shot, and tables say so."""

    @property
    def places(self) -> list[Source]:
        """The sources in order of preference."""
        return [self.source] if self.source else self.sources

    @field_validator("classnames")
    @classmethod
    def _enough_classes(cls, names: list[str]) -> list[str]:
        if len(names) < 2:
            raise ValueError(f"found {len(names)} class names, expected at least 2. Add the others, in label order.")
        return names

    @field_validator("prompt_templates")
    @classmethod
    def _one_gap(cls, templates: list[str]) -> list[str]:
        for template in templates:
            if template.count("{}") != 1 or set("{}") & set(template.replace("{}", "")):
                raise ValueError(f"found {template!r}, expected exactly one {{}} where the class name goes "
                                 "and no other braces, e.g. 'a photo of a {}.'.")  # fmt: skip
        return templates

    @field_validator("cue_pattern")
    @classmethod
    def _two_groups(cls, pattern: str | None) -> str | None:
        try:
            groups = set(re.compile(pattern).groupindex) if pattern else {"shape", "texture"}
        except re.error as error:
            raise ValueError(f"found {pattern!r}, which is no regular expression ({error}).") from error
        if not groups >= {"shape", "texture"}:
            raise ValueError(f"found {pattern!r}, expected the groups (?P<shape>...) and (?P<texture>...).")
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.source) == bool(self.sources):
            found = "both" if self.source else "neither"
            raise ValueError(f"found {found} of 'source' and 'sources', expected one: 'source' for a single place.")
        for key in ("prompt_template", "paper_prompt_template"):
            if (getattr(self, key) or 0) >= len(self.prompt_templates):
                raise ValueError(
                    f"'{key}' is {getattr(self, key)}, expected 0 to {len(self.prompt_templates) - 1}: counted from 0."
                )
        if (
            self.source_classnames
            and (len(self.source_classnames), len(set(self.source_classnames))) != (len(self.classnames),) * 2
        ):
            raise ValueError(
                f"found {len(set(self.source_classnames))} different 'source_classnames', expected one for each of the "
                f"{len(self.classnames)} class names."
            )
        if self.exclude_non_conflict and not self.cue_pattern:
            raise ValueError(
                "'exclude_non_conflict' needs 'cue_pattern', which says what shape and texture of an image are."
            )
        return self
