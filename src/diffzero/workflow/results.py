"""Describe the results that tables, figures and the report read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class Source(TypedDict):
    """One prediction file of a table or figure."""

    model: str
    dataset: str
    seed: int
    kind: str  # diffusion or baseline
    file: str


class RequestedResult(TypedDict):
    """A row that the configuration asks for, whether or not its predictions exist."""

    model: str
    dataset: str
    kind: str


class AblationRow(TypedDict):
    """A row of the tables of ablations; `variant` is the name of the data set that was scored."""

    study: str  # reduced or template
    model: str
    dataset: str
    setting: str
    variant: str


class ReportFacts(TypedDict):
    """Facts about the run that the report shows."""

    run: str
    seeds: list[int]
    subset_seed: int
    images: int
    policy: str
    weighting: str
    command: str
    folder: str
    datasets: list[str]
    models: list[str]


@dataclass(frozen=True)
class Result:
    """One result that tables or figures need. `file` exists, or can be made from the score files `shards` without scoring."""

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
