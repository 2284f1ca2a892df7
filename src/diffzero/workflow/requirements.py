"""The requirements of a run: weights of models and images of data sets, and their states."""

from dataclasses import dataclass
from typing import Final, Literal

from diffzero.download.probe import Availability

# States of a requirement.
AVAILABLE: Final = "available"
TO_DOWNLOAD: Final = "to download"
MISSING: Final = "missing"


@dataclass(frozen=True)
class Requirement:
    """The weights of one model or the images of one data set."""

    kind: Literal["model", "baseline", "data set"]
    name: str
    state: Literal["available", "to download", "missing"]
    size: int | None
    """Bytes on disk, or still to be downloaded; None if unknown."""
    licence: str
    source: str
    reasons: tuple[str, ...] = ()
    """Reasons why it is missing, one per source."""
    notes: tuple[str, ...] = ()
    """What differs from the results of the run."""


def state_of(availability: Availability) -> Literal["available", "to download"]:
    """Return the state of files that are on this machine or can be downloaded."""
    return AVAILABLE if availability.is_local else TO_DOWNLOAD
