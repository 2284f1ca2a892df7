"""Test images in the files that the authors of a data set publish, in one of several formats."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from diffzero.data.sources.base import Source, TestSet
from diffzero.data.sources.class_folders import Splits
from diffzero.utils.fields import Digest, Text, Url
from diffzero.utils.frozen_model import FrozenModel

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.probe import Availability, RemoteProbe

LoadFormat = Callable[["Archive", "Dataset", list[Path]], TestSet]


@dataclass(frozen=True)
class ArchiveFormat:
    """A format of archives.

    Parameters
    ----------
    load : callable
        Reads the test images from the downloaded files. It must not unpickle, nor write what it finds to disk.
    n_files : int
        Number of files that the test set consists of.
    has_listing : bool
        Whether the key `listing` names a text file in the archive.
    has_folders : bool
        Whether classes are folders, from which the keys `split` and `ignore` choose.
    """

    load: LoadFormat
    n_files: int = 1
    has_listing: bool = False
    has_folders: bool = False


ARCHIVE_FORMATS: dict[str, ArchiveFormat] = {}


def archive_format(
    name: str, n_files: int = 1, has_listing: bool = False, has_folders: bool = False
) -> Callable[[LoadFormat], LoadFormat]:
    """Register the decorated function as the loader of the archive format `name`; see ArchiveFormat."""

    def register(load: LoadFormat) -> LoadFormat:
        ARCHIVE_FORMATS[name] = ArchiveFormat(load, n_files, has_listing, has_folders)
        return load

    return register


def _check_format(name: str) -> str:
    if name not in ARCHIVE_FORMATS:
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, ARCHIVE_FORMATS))})
    return name


def _list_formats(schema: JsonDict) -> None:
    schema["enum"] = list(ARCHIVE_FORMATS)


class Download(FrozenModel):
    """One file to download."""

    url: Url
    """Its URL."""
    digest: Digest | None = None
    """Its expected digest. Leave it out only if nobody has published one."""


class Archive(Source):
    """Files as the authors of a data set publish them."""

    renamed_keys = {"layout": "format"}
    is_downloaded = True

    kind: Literal["archive"]
    """Files from plain URLs."""
    format: Annotated[str, AfterValidator(_check_format), Field(json_schema_extra=_list_formats)]
    """How they are read. `listed`: a tar or zip with a text file of test images; `folders`: one with a folder per class; the others are
    the formats of the data sets whose names they have (`idx`: MNIST)."""
    files: list[Download] = Field(min_length=1)
    """The files. For `idx` and `pets`: images first, then labels."""
    listing: Text | None = None
    """For `listed`: the text file in the archive, with one `class/image` per line."""
    split: Splits = Field([])
    """For `folders`: name of the folder of the test images, if there are several splits: above the folders of the classes or in them."""
    ignore: list[Text] = Field([])
    """For `folders`: files and folders to leave out, each by its name or the end of its path, at any depth: `masks`, `cat/rejected`."""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        expected = ARCHIVE_FORMATS[self.format]
        if len(self.files) != expected.n_files:
            raise ValueError(f"format '{self.format}' with {len(self.files)} files, expected {expected.n_files}.")
        if expected.has_listing != bool(self.listing):
            with_listing = " or ".join(f"'{name}'" for name, format in ARCHIVE_FORMATS.items() if format.has_listing)
            raise ValueError(f"'listing' and format {with_listing} go together. Write both or neither.")
        if (self.split or self.ignore) and not expected.has_folders:
            with_folders = " or ".join(f"'{name}'" for name, format in ARCHIVE_FORMATS.items() if format.has_folders)
            raise ValueError(f"'split' and 'ignore' need format {with_folders}. Remove them, or change the format.")
        return self

    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Download the files and read the test images."""
        from diffzero.download.url import download_url

        paths = [download_url(file.url, PurePosixPath(file.url).name, file.digest) for file in self.files]
        try:
            return ARCHIVE_FORMATS[self.format].load(self, dataset, paths)
        except (EOFError, zlib.error, KeyError, TypeError, NotImplementedError) as error:  # of gzip and scipy
            raise ValueError(
                f"{', '.join(map(str, paths))}: cannot be read as {self.format} ({type(error).__name__}: {error})."
            ) from error

    def describe(self) -> str:
        """Return the URLs."""
        return ", ".join(file.url for file in self.files)

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return whether the files are in the cache."""
        return probe.check_urls([(file.url, PurePosixPath(file.url).name, file.digest) for file in self.files])

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the files that are in the cache."""
        from diffzero.download.url import url_cache_path

        paths = {file.url: url_cache_path(file.url, PurePosixPath(file.url).name, file.digest) for file in self.files}
        return {url: path for url, path in paths.items() if path.is_file()}
