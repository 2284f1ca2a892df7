"""Describe the results that tables and figures need."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RequiredResult:
    """One result that tables or figures need.

    Attributes
    ----------
    file
        The file of the result.
    shards
        The score files from which `file` can be made without scoring; empty if it is made otherwise.
    """

    name: str
    file: str
    shards: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        """Return whether the result exists or can be made without scoring."""
        return Path(self.file).is_file() or bool(self.shards) and all(Path(path).is_file() for path in self.shards)

    @property
    def progress(self) -> str:
        """The name and, of a scoring, the number of finished shards."""
        done = sum(Path(path).is_file() for path in self.shards)
        return f"{self.name} ({done} of {len(self.shards)} score shards)" if self.shards else self.name
