"""A data set as its file in config/datasets describes it: sources of its test images, class names, prompt templates."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from diffzero.data.class_names import ClassNames, check_names, nfc
from diffzero.data.sources import AnySource
from diffzero.data.sources.base import Source
from diffzero.utils.fields import Count, Index, Text
from diffzero.utils.frozen_model import FrozenModel


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
    source: AnySource | None = None
    """Where the test images are. Write this or `sources`."""
    sources: list[AnySource] = Field([])
    """Several sources of the same test images, in order of preference: the next is tried when one fails."""
    classnames: ClassNames
    """Names in the order of the labels, at least two. Equal names are scored once and share the score."""
    source_classnames: ClassNames = Field([])
    """Names of the classes in the sources (folders, column metadata), in the order of `classnames`; default: `classnames`. A source may
    have its own."""
    prompt_templates: Annotated[list[str], Field(min_length=1)]
    """Prompt templates, each with exactly one `{}` for the class name."""
    prompt_template: Index = 0
    """Which template is used, counted from 0. The paper's choice, if known, is the default of every file here."""
    paper_prompt_template: Index | None = None
    """Which template the paper used; left out if it is not known."""
    licence: Text
    """Licence of the images."""
    split_note: str = ""
    """Which images count as the test set, if that is not obvious."""
    test_size: Count | None = None
    """Documented number of images in the whole test set. A source with fewer images is not used; more images are a warning in the log."""
    allow_empty: bool = False
    """Whether classes may have no images. Their prompts remain candidates."""
    unreadable: Literal["error", "skip"] = "error"
    """Whether an image that cannot be decoded is an error, or is left out and counted below Table 1 and in `selection.json`."""
    cue_pattern: Text | None = None
    """For cue-conflict images: a regular expression of file names with the groups `shape` and `texture`, both class names."""
    exclude_non_conflict: bool = False
    """With `cue_pattern`: leave out the images whose shape and texture agree (80 of the 1280)."""
    note: str = ""
    """Note below the tables."""
    seen_by_models: list[Text] = Field([])
    """Models that saw the training images of this domain: their results are not zero-shot, and tables say so."""

    @property
    def all_sources(self) -> list[Source]:
        """The sources in order of preference."""
        return [self.source] if self.source else list(self.sources)

    @property
    def names_in_sources(self) -> list[str]:
        """The names of the classes in the sources, in the order of `classnames`."""
        return self.source_classnames or self.classnames

    def for_source(self, source: Source) -> Self:
        """Return the data set as one of its sources names it: with the source's own names as `source_classnames`, if it has any."""
        names = self.classnames if source.uses_classnames else source.source_classnames
        return self.model_copy(update={"source_classnames": names}) if names else self

    @field_validator("classnames")
    @classmethod
    def _require_two_classes(cls, names: list[str]) -> list[str]:
        if len(names) < 2:
            raise ValueError(f"found {len(names)} class names, expected at least 2. Add the others, in label order.")
        return names

    @field_validator("prompt_templates")
    @classmethod
    def _require_one_gap(cls, templates: list[str]) -> list[str]:
        check_names(templates, "template")
        for template in templates:
            if template.count("{}") != 1 or set("{}") & set(template.replace("{}", "")):
                raise ValueError(f"found {template!r}, expected exactly one {{}} for the class name "
                                 "and no other braces, e.g. 'a photo of a {}.'.")  # fmt: skip
        return templates

    @field_validator("cue_pattern")
    @classmethod
    def _require_two_groups(cls, pattern: str | None) -> str | None:
        try:
            groups = set(re.compile(pattern).groupindex) if pattern else {"shape", "texture"}
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"found {pattern!r}, which is not a regular expression ({error}).") from error
        if not groups >= {"shape", "texture"}:
            raise ValueError(f"found {pattern!r}, expected the groups (?P<shape>...) and (?P<texture>...).")
        return pattern

    @model_validator(mode="after")
    def _check_keys_together(self) -> Self:
        if bool(self.source) == bool(self.sources):
            found = "both" if self.source else "neither"
            raise ValueError(f"found {found} of 'source' and 'sources', expected one: 'source' for a single one.")
        for key in ("prompt_template", "paper_prompt_template"):
            if (getattr(self, key) or 0) >= len(self.prompt_templates):
                raise ValueError(
                    f"'{key}' is {getattr(self, key)}, expected 0 to {len(self.prompt_templates) - 1}: counted from 0."
                )
        for names in (self.source_classnames, *(source.source_classnames for source in self.all_sources)):
            if names and (len(names), len(set(map(nfc, names)))) != (len(self.classnames),) * 2:
                raise ValueError(
                    f"found {len(set(map(nfc, names)))} different 'source_classnames', expected one for each of the "
                    f"{len(self.classnames)} class names."
                )
        if self.exclude_non_conflict and not self.cue_pattern:
            raise ValueError(
                "'exclude_non_conflict' needs 'cue_pattern', which says what the shape and texture of an image are."
            )
        return self
