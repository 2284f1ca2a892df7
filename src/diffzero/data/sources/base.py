"""Sources of test images: the base class of all kinds.

Every job imports the configuration, and with it these modules: libraries that take long to import are imported where they are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from diffzero.data.class_names import ClassNames
from diffzero.data.file_listing import list_visible_files
from diffzero.utils.fields import Commit, Repository, Text
from diffzero.utils.frozen_model import FrozenModel

if TYPE_CHECKING:
    from diffzero.data.dataset import Dataset
    from diffzero.download.hub import HubRepo
    from diffzero.download.probe import Availability, RemoteProbe

# Files with these names must be images. Not all can be decoded: an SVG or a raw file of a camera is reported, not passed over.
IMAGE_SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".avif", ".avifs", ".heic", ".heif", ".hif"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jxl", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".tga", ".dds"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".pam", ".qoi", ".psd", ".pcx", ".sgi", ".ras", ".exr", ".svg", ".eps"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2"),
)
ReadImages = Callable[[Sequence[str]], dict[str, bytes]]


@dataclass(frozen=True)
class TestSet:
    """The test images of one source. Names and labels are in memory; the 50,000 images of ImageNet are read only if they are used.

    Parameters
    ----------
    images : sequence of str
        Unique names of the images.
    labels : sequence of int
        Label of each image, from 0, in the order of the data set's class names.
    read : callable
        Returns the encoded images (PNG, JPEG, ...) of some names, by name.
    unreadable : mapping of str to str
        Reason why an image cannot be read, by its name, where the source knows without decoding it. It is one of `images`.
    skipped : mapping
        Number of files that are not test images, by the label of the class in whose folder they are (None: in no such folder) and
        the reason.
    """

    images: Sequence[str]
    labels: Sequence[int]
    read: ReadImages
    unreadable: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[tuple[int | None, str], int] = field(default_factory=dict)


class Source(FrozenModel, ABC):
    """A place where test images are, with its configuration keys.

    A subclass declares `kind` as a Literal with the name of the kind. Every concrete subclass in this package is a kind of source.
    """

    kind: str
    is_downloaded: ClassVar[bool] = False
    """Whether the run downloads files that are not on this machine."""
    source_classnames: ClassNames = Field([])
    """Names of the classes in this source, in the order of `classnames`; default: the data set's `source_classnames`."""
    uses_classnames: bool = False
    """Whether this source calls its classes by `classnames`, although the data set has `source_classnames` for others."""

    @model_validator(mode="after")
    def _require_one_kind_of_names(self) -> Self:
        if self.uses_classnames and self.source_classnames:
            raise ValueError("found 'source_classnames' and 'uses_classnames: true', expected one. Remove the other.")
        return self

    @abstractmethod
    def load(self, dataset: Dataset, root: Path) -> TestSet:
        """Return the test images.

        Parameters
        ----------
        dataset : Dataset
            The data set that they belong to, with the names of its classes in this source (`Dataset.for_source`).
        root : Path
            Root of the repository, to which local paths are relative.

        Raises
        ------
        OSError, ValueError
            The images are not available, or are not those of the data set.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return the source in a few words, for messages, the log and the record of the selection."""

    @abstractmethod
    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return whether the images are on this machine or must be downloaded, and their size. Raises OSError if neither is possible."""

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the files on this machine from which the images are loaded, by name; none before they are downloaded.

        A run compares their names, sizes and contents with those that its images were loaded from. An image that is a file of its
        own has the name that `load` gives it. The default, no files, is for sources that cannot change.
        """
        return {}

    def files_of_hidden_classes(self, root: Path, names: Collection[str]) -> Mapping[str, Path]:
        """Return the local files of classes whose names are those of hidden files (`.NET`), which `local_files` leaves out."""
        return {}


class HubSource(Source):
    """A repository of the data set hub."""

    is_downloaded = True

    repo: Repository
    """Repository, owner/name."""
    revision: Commit
    """Commit, 40 hexadecimal digits."""
    split: Text
    """Split that holds the test images."""
    gated: bool = False
    """Whether the hub requires an account and a licence agreement."""

    @abstractmethod
    def owns_file(self, name: str) -> bool:
        """Return whether a file of the repository is needed to load the split."""

    @property
    def repository(self) -> HubRepo:
        """The repository at its commit."""
        from diffzero.download.hub import HubRepo

        return HubRepo(self.repo, self.revision, "dataset")

    def describe(self) -> str:
        """Return repository, commit and split."""
        return f"{self.repo} at {self.revision[:12]}, {self.split}"

    def check(self, probe: RemoteProbe, root: Path) -> Availability:
        """Return whether the files of the split are in the cache."""
        return probe.check_repo(self.repository, self.owns_file)

    def local_files(self, root: Path) -> Mapping[str, Path]:
        """Return the files of the split that are in the cache."""
        files = list_visible_files(self.repository.snapshot_dir)
        return {name: path for name, path in files.items() if self.owns_file(name)}
